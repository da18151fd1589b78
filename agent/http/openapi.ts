/** The OpenAPI 3.1 document of the door, made from the schemas that it checks by. */
import { z } from 'zod'
import { type CommandName, commands, companySignInSchema, problemSchema, progressSchema, runStateSchema } from '../../shared/api.ts'
import { pairSchema, tokenSchema } from './pane-requests.ts'

const problem = { description: 'what went wrong, and what to do', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }
const schemaOf = (schema: z.ZodType) => ({ ...z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), $schema: undefined })
const json = (schema: object) => ({ 'application/json': { schema } })
const object = (properties: Record<string, object>) => ({ type: 'object', properties, required: Object.keys(properties) })
const text = { type: 'string' }

export function openApiDocument(version: string): object {
  return {
    openapi: '3.1.0',
    info: { title: 'Holdfast agent', version, description: 'The API of the agent on this machine. Everything but pairing carries a Bearer token.' },
    security: [{ bearer: [] }],
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: schemaOf(problemSchema), Progress: schemaOf(progressSchema), Run: schemaOf(runStateSchema) },
    },
    paths: {
      ...Object.fromEntries((Object.keys(commands) as CommandName[]).map((name) => [`/api/commands/${name.replaceAll(' ', '-')}`, { post: commandOperation(name) }])),
      '/api/pair': {
        post: {
          operationId: 'pair', summary: 'Connects a pane', security: [],
          requestBody: { required: true, content: json(schemaOf(pairSchema)) },
          responses: { 200: { description: 'a token for the pane', content: json(object({ token: text })) }, default: problem },
        },
        delete: { operationId: 'unpair', summary: 'Ends the token that asks', responses: { 204: { description: 'done' }, default: problem } },
      },
      '/api/sign-in': {
        get: { operationId: 'signInOffer', summary: 'How a pane in Outlook may connect by a company account', security: [], responses: { 200: { description: 'for whom Outlook is asked, or null', content: json(object({ company: { oneOf: [schemaOf(companySignInSchema), { type: 'null' }] } })) } } },
      },
      '/api/tickets': { post: { operationId: 'makeTicket', summary: 'A ticket, good once within 5 minutes', responses: { 200: { description: 'the ticket', content: json(object({ ticket: text })) }, default: problem } } },
      '/api/codes': { post: { operationId: 'makeCode', summary: 'A code for a person to type, good once within 10 minutes', responses: { 200: { description: 'the code', content: json(object({ code: text })) }, default: problem } } },
      '/api/tokens': {
        post: {
          operationId: 'makeBackupToken', summary: 'A token that can start a backup and nothing else', requestBody: { required: true, content: json(schemaOf(tokenSchema)) },
          responses: { 200: { description: 'the token, shown this once', content: json(object({ id: text, token: text })) }, default: problem },
        },
        get: { operationId: 'listBackupTokens', responses: { 200: { description: 'which there are', content: json(object({ tokens: { type: 'array', items: object({ id: text, created: text, label: text }) } })) }, default: problem } },
      },
      '/api/tokens/{id}': { delete: { operationId: 'revokeBackupToken', parameters: [inPath('id')], responses: { 204: { description: 'done' }, default: problem } } },
      '/api/runs': { get: { operationId: 'listRuns', responses: { 200: { description: 'what is queued or under way', content: json(object({ runs: { type: 'array', items: { $ref: '#/components/schemas/Run' } } })) }, default: problem } } },
      '/api/runs/{id}': { delete: { operationId: 'cancelRun', parameters: [inPath('id')], responses: { 204: { description: 'it ends soon' }, default: problem } } },
      '/api/file': {
        get: {
          operationId: 'readFile', summary: 'One file out of a snapshot', parameters: [inQuery('snapshot'), inQuery('path')],
          responses: { 200: { description: 'its bytes', content: { 'application/octet-stream': {} } }, default: problem },
        },
      },
      '/api/openapi.json': { get: { operationId: 'openapi', responses: { 200: { description: 'this document', content: json({ type: 'object' }) } } } },
    },
  }
}

function commandOperation(name: CommandName): object {
  const { request, result } = commands[name]
  return {
    operationId: name.replaceAll(/[ -](\w)/g, (_all, letter: string) => letter.toUpperCase()),
    parameters: [{ name: 'Prefer', in: 'header', required: false, schema: { const: 'respond-async' } }],
    requestBody: { required: true, content: json(schemaOf(request)) },
    responses: {
      200: {
        description: 'a line for each progress, then one with the result or the problem',
        content: { 'application/x-ndjson': { schema: { oneOf: [object({ progress: { $ref: '#/components/schemas/Progress' } }), object({ result: schemaOf(result) }), object({ problem: { $ref: '#/components/schemas/Problem' } })] } } },
      },
      202: { description: 'started; /events tells how it goes', content: json(object({ run: text })) },
      default: problem,
    },
  }
}

function inPath(name: string): object {
  return { name, in: 'path', required: true, schema: text }
}

function inQuery(name: string): object {
  return { name, in: 'query', required: true, schema: text }
}
