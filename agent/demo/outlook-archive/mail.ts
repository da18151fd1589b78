import { circulated, planAttachment } from './attachments.ts'
import type { AttachmentPlan } from './attachments.ts'
import { people } from './people.ts'
import type { Person } from './people.ts'
import { headline, paragraphs } from './prose.ts'
import type { Random } from './random.ts'

export interface Mail {
  readonly subject: string
  /** `RE: ` or `FW: ` in front of the subject, or nothing. */
  readonly prefix: string
  readonly from: Person
  readonly to: readonly Person[]
  readonly cc: readonly Person[]
  /** Milliseconds since 1970. */
  readonly time: number
  readonly text: string
  readonly html: string | undefined
  readonly attachments: readonly AttachmentPlan[]
}

const firstTime = Date.UTC(2016, 0, 4, 7)
const stepMs = 11 * 60_000

export interface MailContext {
  /** Whose archive it is. */
  readonly owner: Person
  readonly sent: boolean
  /** Counts the mails of an archive; sets the time. */
  readonly number: number
  /** Attachments that would go beyond this many bytes are left out. */
  readonly mostAttachmentBytes: number
}

export function writeMail(random: Random, { owner, sent, number, mostAttachmentBytes }: MailContext): Mail {
  const others = Array.from({ length: 1 + random.below(3) }, () => random.pick(people))
  const from = sent ? owner : random.pick(people)
  const u = random.next()
  const body = [...paragraphs(random, 200 + Math.floor(u * u * u * 9000)), 'Best regards', from.name]
  return {
    subject: headline(random),
    prefix: random.pick(['', '', '', 'RE: ', 'RE: ', 'FW: ']),
    from,
    to: sent ? others : [owner, ...others.slice(1)],
    cc: random.chance(0.3) ? [random.pick(people)] : [],
    time: firstTime + number * stepMs + random.below(stepMs),
    text: body.join('\r\n\r\n'),
    html: random.chance(0.6) ? toHtml(body) : undefined,
    attachments: pickAttachments(random, mostAttachmentBytes),
  }
}

function pickAttachments(random: Random, mostBytes: number): AttachmentPlan[] {
  const count = random.chance(0.35) ? 1 + random.below(3) : 0
  const plans: AttachmentPlan[] = []
  let rest = mostBytes
  for (let i = 0; i < count; i++) {
    const plan = random.chance(0.15) ? random.pick(circulated) : planAttachment(random)
    if (plan.size > rest) continue
    plans.push(plan)
    rest -= plan.size
  }
  return plans
}

/** The frame that Word puts around each mail. */
const htmlHead = '<html xmlns:o="urn:schemas-microsoft-com:office:office" xmlns="http://www.w3.org/TR/REC-html40">\r\n'
  + '<head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"><style><!--\r\n'
  + '@font-face {font-family:Calibri; panose-1:2 15 5 2 2 2 4 3 2 4;}\r\n'
  + 'p.MsoNormal, li.MsoNormal {margin:0cm; font-size:11.0pt; font-family:"Calibri",sans-serif;}\r\n'
  + 'a:link, span.MsoHyperlink {mso-style-priority:99; color:#0563C1; text-decoration:underline;}\r\n'
  + '@page WordSection1 {size:612.0pt 792.0pt; margin:70.85pt 70.85pt 2.0cm 70.85pt;}\r\n'
  + '--></style></head><body lang="EN-GB" link="#0563C1" vlink="#954F72"><div class="WordSection1">\r\n'

function toHtml(body: readonly string[]): string {
  const lines = body.map((line) => `<p class="MsoNormal"><span lang="EN-GB">${line}<o:p></o:p></span></p>\r\n`)
  return `${htmlHead}${lines.join('')}</div></body></html>\r\n`
}
