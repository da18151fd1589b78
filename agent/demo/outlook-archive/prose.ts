import type { Random } from './random.ts'

const words = `the to and of a in for is we on that you with be this it as are have at from will or by please not our can
your if would all an any was has but do they which there more new one been time also up out their about week meeting
project order report team price offer customer contract invoice delivery budget plan draft version review change update
date office call agenda minutes notes tomorrow today monday tuesday thursday friday morning afternoon thanks regards
attached table figures numbers sales quarter forecast target margin cost supplier warehouse shipment stock quality test
result issue problem question answer proposal decision approval signature legal finance marketing engineering production
service support training schedule deadline milestone risk scope requirement design drawing sample prototype material
machine line plant site visit travel hotel flight booking expense receipt payment account bank transfer currency tax
audit policy procedure guideline safety environment energy water building floor room parking key card access password
network server laptop printer software license upgrade backup archive folder document page paragraph section chapter
appendix copy original translation english german french spanish italian market region country city customs border
import export tariff insurance claim warranty repair replacement part component assembly packaging label logo brochure
website newsletter campaign event fair booth visitor partner dealer distributor agent representative manager director
assistant colleague department group company subsidiary headquarters board shareholder annual monthly weekly daily
first second third last next previous current former early late soon later before after during until since between
within without against under over around across along through please confirm check send return sign forward discuss
clarify explain describe prepare finish complete start continue stop cancel postpone move extend reduce increase improve
compare measure calculate estimate assume expect hope believe suggest recommend agree disagree accept reject approve
large small high low long short important urgent possible necessary available responsible different similar additional
several many few enough open closed final preliminary internal external official confidential general special typical`
  .split(/\s+/)

const projects = ['Aurora', 'Basalt', 'Cedar', 'Delta', 'Ember', 'Fjord', 'Granite', 'Harbour', 'Iris', 'Juniper']

/** A word, the frequent ones more often, as in any language. */
function word(random: Random): string {
  const u = random.next()
  return words[Math.floor(u * u * words.length)]!
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function detail(random: Random): string {
  const kind = random.below(5)
  if (kind === 0) return `${1 + random.below(28)}/${1 + random.below(12)}`
  if (kind === 1) return `${random.below(100_000)}.${10 + random.below(90)}`
  if (kind === 2) return `PO-${10_000 + random.below(90_000)}`
  if (kind === 3) return `project ${random.pick(projects)}`
  return `${1 + random.below(99)}%`
}

export function sentence(random: Random): string {
  const parts: string[] = []
  const length = 4 + random.below(16)
  for (let i = 0; i < length; i++) parts.push(random.chance(0.06) ? detail(random) : word(random))
  return `${capitalised(parts.join(' '))}${random.chance(0.1) ? '?' : '.'}`
}

/** Paragraphs of about `length` characters in all. */
export function paragraphs(random: Random, length: number): string[] {
  const result: string[] = []
  for (let total = 0; total < length;) {
    let paragraph = sentence(random)
    for (let more = random.below(5); more > 0; more--) paragraph += ` ${sentence(random)}`
    result.push(paragraph)
    total += paragraph.length
  }
  return result
}

export function headline(random: Random): string {
  const kind = random.below(4)
  if (kind === 0) return `Project ${random.pick(projects)}: ${word(random)} ${word(random)} ${word(random)}`
  if (kind === 1) return `${capitalised(word(random))} ${word(random)} PO-${10_000 + random.below(90_000)}`
  return capitalised(Array.from({ length: 3 + random.below(5) }, () => word(random)).join(' '))
}

export function fileStem(random: Random): string {
  return `${capitalised(word(random))}_${word(random)}_${1000 + random.below(9000)}`
}
