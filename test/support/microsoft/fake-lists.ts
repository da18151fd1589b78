/** The lists of a team site and their rows. */
import { randomUUID } from 'node:crypto'
import { type Asked, by, json, noContent, paged, problem, refusedByETag } from './answers.ts'

interface Row {
  readonly id: string
  readonly fields: Record<string, unknown>
  version: number
}

interface List {
  readonly id: string
  readonly displayName: string
  readonly columns: readonly string[]
  readonly rows: Map<string, Row>
  nextRow: number
}


export class FakeLists {
  readonly #lists = new Map<string, List>()
  /** Sites.Selected with the role `write` may not make lists. */
  mayCreate = true

  /** The rows of a list; undefined when there is no such list. */
  rowsOf(displayName: string): Record<string, unknown>[] | undefined {
    const list = this.#find(displayName)
    return list === undefined ? undefined : [...list.rows.values()].map(({ fields }) => fields)
  }

  /** `rest`: what follows `/sites/{id}/lists`. */
  answer(asked: Asked, rest: string, pageSize: number): Response {
    if (rest === '') return asked.method === 'POST' ? this.#create(asked) : paged([...this.#lists.values()].map(showList), asked.url, { pageSize })
    const [, name = '', items, row, fields] = /^\/([^/]+)(\/items)?(?:\/([^/]+))?(\/fields)?$/.exec(rest) ?? []
    const list = this.#find(name)
    if (list === undefined) return problem(404, 'itemNotFound', { message: 'The specified list was not found' })
    if (items === undefined) return json(200, showList(list))
    if (row === undefined) return asked.method === 'POST' ? this.#add(list, asked) : paged([...list.rows.values()].map((each) => showRow(each, true)), asked.url, { pageSize })
    return this.#row(asked, list, { row: list.rows.get(row), ofFields: fields !== undefined })
  }

  #find(name: string): List | undefined {
    return this.#lists.get(name) ?? [...this.#lists.values()].find(({ displayName }) => displayName === name)
  }

  #create({ body }: Asked): Response {
    if (!this.mayCreate) return problem(403, 'accessDenied', { message: 'Access denied' })
    const { displayName, columns = [] } = JSON.parse(body) as { displayName: string; columns?: { name: string }[] }
    if (this.#find(displayName) !== undefined) return problem(409, 'nameAlreadyExists', { message: 'Name already exists' })
    const list: List = { id: randomUUID(), displayName, columns: columns.map(({ name }) => name), rows: new Map(), nextRow: 1 }
    this.#lists.set(list.id, list)
    return json(201, showList(list))
  }

  #add(list: List, { body }: Asked): Response {
    const { fields } = JSON.parse(body) as { fields: Record<string, unknown> }
    const unknown = unknownColumn(list, fields)
    if (unknown !== undefined) return unknown
    const row = { id: String(list.nextRow++), fields, version: 1 }
    list.rows.set(row.id, row)
    return json(201, showRow(row))
  }

  #row(asked: Asked, list: List, { row, ofFields }: { row: Row | undefined; ofFields: boolean }): Response {
    if (row === undefined) return problem(404, 'itemNotFound', { message: 'The specified list item was not found' })
    if (asked.method === 'GET') return json(200, showRow(row, true))
    const refused = refusedByETag(asked, eTagOf(row))
    if (refused !== undefined) return refused
    if (asked.method === 'DELETE') {
      list.rows.delete(row.id)
      return noContent()
    }
    const change = JSON.parse(asked.body) as Record<string, unknown>
    const unknown = unknownColumn(list, change)
    if (unknown !== undefined) return unknown
    Object.assign(row.fields, change)
    row.version++
    return json(200, ofFields ? row.fields : showRow(row, true))
  }
}

function unknownColumn({ columns }: List, fields: object): Response | undefined {
  const name = Object.keys(fields).find((key) => key !== 'Title' && !columns.includes(key))
  return name === undefined ? undefined : problem(400, 'invalidRequest', { message: `Field '${name}' is not recognized` })
}

function eTagOf({ id, version }: Row): string {
  return `"{row-${id}},${version}"`
}

function showList({ id, displayName }: List): object {
  return { id, displayName, name: displayName, ...by, webUrl: `https://contoso.sharepoint.com/sites/team/Lists/${encodeURIComponent(displayName)}`, list: { hidden: false, template: 'genericList' } }
}

function showRow(row: Row, withFields = false): object {
  return { id: row.id, eTag: eTagOf(row), ...by, ...(withFields ? { fields: { ...row.fields, id: row.id } } : {}) }
}
