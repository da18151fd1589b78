/** A shared mailbox: folders, hidden ones too, and messages. */
import { randomUUID } from 'node:crypto'
import { type Asked, ChangeLog, json, noContent, paged, problem, v1 } from './answers.ts'

interface Message {
  readonly id: string
  readonly folder: string
  subject: string
  content: string
  readonly createdDateTime: string
  version: number
}

interface Folder {
  readonly id: string
  readonly displayName: string
  readonly isHidden: boolean
}

export const mailboxAddress = 'holdfast@contoso.com'
const base = `${v1}/users/${mailboxAddress}`

export class FakeMailbox {
  readonly #messages = new Map<string, Message>()
  readonly #folders = new Map<string, Folder>()
  readonly #changes = new Map<string, ChangeLog>()
  #created = 0

  forgetDeltaTokens(): void {
    for (const changes of this.#changes.values()) changes.forget()
  }

  /** `rest`: what follows `/users/{mailbox}`. */
  answer(asked: Asked, rest: string, pageSize: number): Response {
    if (rest === '/mailFolders/msgfolderroot/childFolders') return this.#childFolders(asked, pageSize)
    const [, folder, verb] = /^\/mailFolders\/([^/]+)\/messages(\/delta)?$/.exec(rest) ?? []
    if (folder !== undefined) return this.#messagesIn(folder, asked, { isDelta: verb !== undefined, pageSize })
    const one = this.#folders.get(/^\/mailFolders\/([^/]+)$/.exec(rest)?.[1] ?? '')
    if (one !== undefined && asked.method === 'GET') return json(200, this.#showFolder(one))
    const message = this.#messages.get(/^\/messages\/([^/]+)$/.exec(rest)?.[1] ?? '')
    if (message === undefined) return problem(404, 'ErrorItemNotFound', { message: 'The specified object was not found in the store.' })
    if (asked.method === 'DELETE') {
      this.#messages.delete(message.id)
      this.#changes.get(message.folder)?.note(message.id, true)
      return noContent()
    }
    if (asked.method === 'PATCH') {
      const change = JSON.parse(asked.body) as { subject?: string; body?: { content: string } }
      message.subject = change.subject ?? message.subject
      message.content = change.body?.content ?? message.content
      message.version++
      this.#changes.get(message.folder)?.note(message.id)
    }
    return preferred(json(200, show(message)), asked)
  }

  #childFolders({ method, url, body }: Asked, pageSize: number): Response {
    if (method === 'GET') return paged([...this.#folders.values()].filter(({ isHidden }) => !isHidden || url.searchParams.get('includeHiddenFolders') === 'true').map((folder) => this.#showFolder(folder)), url, { pageSize })
    const { displayName, isHidden = false } = JSON.parse(body) as { displayName: string; isHidden?: boolean }
    if ([...this.#folders.values()].some((folder) => folder.displayName === displayName)) return problem(409, 'ErrorFolderExists', { message: 'A folder with the specified name already exists.' })
    const folder = { displayName, isHidden, id: `AAMk${randomUUID()}=` }
    this.#folders.set(folder.id, folder)
    this.#changes.set(folder.id, new ChangeLog())
    return json(201, this.#showFolder(folder))
  }

  #showFolder({ id, displayName, isHidden }: Folder): object {
    const totalItemCount = [...this.#messages.values()].filter(({ folder }) => folder === id).length
    return { id, displayName, isHidden, parentFolderId: 'AAMkroot=', childFolderCount: 0, unreadItemCount: 0, totalItemCount }
  }

  #messagesIn(folder: string, asked: Asked, { isDelta, pageSize }: { isDelta: boolean; pageSize: number }): Response {
    const changes = this.#changes.get(folder)
    if (changes === undefined) return problem(404, 'ErrorItemNotFound', { message: 'The specified object was not found in the store.' })
    if (asked.method === 'POST') return preferred(this.#create(folder, changes, asked.body), asked)
    const { url } = asked
    const subject = /^subject eq '(.*)'$/.exec(url.searchParams.get('$filter') ?? '')?.[1]
    const all = [...this.#messages.values()].filter((message) => message.folder === folder && (subject === undefined || message.subject === subject))
    const size = Math.min(pageSize, Number(/odata\.maxpagesize=(\d+)/.exec(asked.headers.get('prefer') ?? '')?.[1] ?? pageSize))
    if (!isDelta) return preferred(paged(all.map(show), url, { pageSize: size }), asked)
    const token = url.searchParams.get('$deltatoken')
    const last = { '@odata.deltaLink': `${base}/mailFolders/${folder}/messages/delta?$deltatoken=${changes.now}` }
    if (token === null) return preferred(paged(all.map(show), url, { pageSize: size, last }), asked)
    if (changes.isGone(Number(token))) return problem(410, 'syncStateNotFound', { headers: { location: `${base}/mailFolders/${folder}/messages/delta` } })
    const value = changes.since(Number(token), changes.now).map(({ id, isRemoved }) => {
      const message = this.#messages.get(id)
      return isRemoved || message === undefined ? { 'id': id, '@odata.type': '#microsoft.graph.message', '@removed': { reason: 'deleted' } } : show(message)
    })
    return preferred(paged(value, url, { pageSize: size, last }), asked)
  }

  #create(folder: string, changes: ChangeLog, body: string): Response {
    const { subject, body: { content } } = JSON.parse(body) as { subject: string; body: { content: string } }
    const message = { id: `AAMk${randomUUID()}=`, folder, subject, content, createdDateTime: new Date(1_700_000_000_000 + ++this.#created * 1000).toISOString(), version: 1 }
    this.#messages.set(message.id, message)
    changes.note(message.id)
    return json(201, show(message))
  }
}

/** Outlook ends a text with a line break of its own. */
function show({ id, subject, content, createdDateTime, version, folder }: Message): object {
  return {
    '@odata.etag': `W/"ck${version}"`, id, subject, createdDateTime, 'lastModifiedDateTime': createdDateTime, 'changeKey': `ck${version}`, 'parentFolderId': folder, 'isDraft': true, 'isRead': true,
    'receivedDateTime': createdDateTime, 'sentDateTime': createdDateTime, 'hasAttachments': false,
    'bodyPreview': content.slice(0, 255), 'body': { contentType: 'text', content: `${content}\r\n` },
  }
}

function preferred(response: Response, { headers }: Asked): Response {
  if (/body-content-type="text"/.test(headers.get('prefer') ?? '')) response.headers.set('preference-applied', 'outlook.body-content-type="text"')
  return response
}
