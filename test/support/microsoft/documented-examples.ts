/**
 * What Microsoft's documentation shows of the requests that Holdfast makes: request, status, headers and body, in the order
 * in which a client can make them. `{name}` stands for what an earlier answer gave (`keep`) or the fake has from the start.
 * Bodies are shortened to their shape: a value stands for its kind, unless `exact` names it.
 */
export interface DocumentedExample {
  /** The page that shows it. */
  readonly page: string
  readonly ask: string
  readonly headers?: Readonly<Record<string, string>>
  /** Text is sent as text/plain, an object as JSON. */
  readonly send?: string | object
  readonly status: number
  readonly answerHeaders?: Readonly<Record<string, RegExp>>
  readonly shape?: object
  /** Members that the request decides. */
  readonly exact?: object
  /** Placeholders for later examples, by the path of the member in the body or `header:name`. */
  readonly keep?: Readonly<Record<string, string>>
  /** Items on a page, where the example shows paging. */
  readonly pageSize?: number
  /** Done to the fake before: what the example presupposes. */
  readonly given?: 'delta tokens are gone' | 'the minute is used up' | 'the minute is nearly used up' | 'the service is down'
  /** Where the fake follows a newer page, or what the page says in words, rather than the printed answer. */
  readonly instead?: string
}

const api = (name: string) => `https://learn.microsoft.com/graph/api/${name}`
const concept = (name: string) => `https://learn.microsoft.com/graph/${name}`
const throttling = 'https://learn.microsoft.com/sharepoint/dev/general-development/how-to-avoid-getting-throttled-or-blocked-in-sharepoint-online'

const person = { user: { displayName: 'Ann', id: '8606' } }
const stamped = { createdDateTime: '2016-08-30T08:26:00Z', createdBy: person, lastModifiedDateTime: '2016-08-30T08:26:00Z', lastModifiedBy: person }
const drive = { id: 'b!x', driveType: 'business', owner: person, quota: { deleted: 1, remaining: 1, state: 'normal', total: 1 } }
const site = { id: 'contoso.sharepoint.com,a,b', displayName: 'Team', name: 'team', createdDateTime: '2017', lastModifiedDateTime: '2017', webUrl: 'https://x' }
const list = { id: '1', name: 'x', createdDateTime: '2016', lastModifiedDateTime: '2016', list: { hidden: false, template: 'genericList' } }
const mailFolder = { id: 'AAMk', displayName: 'x', parentFolderId: 'AAMk', childFolderCount: 0, unreadItemCount: 0, totalItemCount: 0, isHidden: true }
const message = {
  '@odata.etag': 'W/"CQ"', 'id': 'AAMk', 'createdDateTime': 'x', 'lastModifiedDateTime': 'x', 'changeKey': 'CQ', 'receivedDateTime': 'x', 'sentDateTime': 'x', 'hasAttachments': false,
  'subject': 'x', 'bodyPreview': 'x', 'parentFolderId': 'x', 'isRead': true, 'isDraft': true, 'body': { contentType: 'text', content: 'x' },
}
const listed = { receivedDateTime: 'x', sentDateTime: 'x', hasAttachments: true, subject: 'x', body: { contentType: 'x', content: 'x' }, bodyPreview: 'x' }
const extension = { '@odata.type': '#microsoft.graph.openTypeExtension', 'extensionName': 'com.contoso.roamingSettings', 'id': 'com.contoso.roamingSettings', 'theme': 'dark', 'color': 'purple', 'lang': 'Japanese' }
const problem = { error: { code: 'x', message: 'x', innerError: { 'request-id': 'x', 'date': 'x' } } }
const ofGroup = 'shown for the signed-in user; extensions of a group are the same'

const driveExamples: readonly DocumentedExample[] = [
  { page: api('site-getbypath'), ask: 'GET /sites/{hostname}:/{relative-path}', status: 200, shape: site, exact: { id: '{site-id}' } },
  { page: api('site-get'), ask: 'GET /sites/{site-id}', status: 200, shape: site },
  { page: api('drive-get'), ask: 'GET /me/drive', status: 200, shape: drive },
  { page: api('drive-get'), ask: 'GET /sites/{site-id}/drive', status: 200, shape: drive, keep: { 'drive-id': 'id' } },
  { page: api('drive-get'), ask: 'GET /drives/{drive-id}', status: 200, shape: drive, exact: { id: '{drive-id}' } },
  { page: api('driveitem-put-content'), ask: 'PUT /me/drive/root:/FolderA/FileB.txt:/content', send: 'The contents of the file goes here.', status: 201, shape: { id: 'x', name: 'x', size: 1, file: {} }, exact: { name: 'FileB.txt', size: 35 }, keep: { 'item-id': 'id', 'etag': 'eTag' } },
  { page: api('driveitem-put-content'), ask: 'PUT /me/drive/items/{item-id}/content', send: 'Other contents of the same file.', status: 200, exact: { id: '{item-id}', name: 'FileB.txt', size: 32 }, instead: 'the printed status is that of a new file; a file that is replaced is 200' },
  { page: api('driveitem-post-children'), ask: 'POST /me/drive/root/children', send: { 'name': 'New Folder', 'folder': {}, '@microsoft.graph.conflictBehavior': 'rename' }, status: 201, shape: { ...stamped, eTag: 'x', id: 'x', name: 'x', parentReference: { driveId: 'x', id: 'x', path: 'x' }, size: 0, folder: { childCount: 0 } }, exact: { name: 'New Folder', size: 0, folder: { childCount: 0 } } },
  { page: api('driveitem-post-children'), ask: 'POST /me/drive/root/children', send: { 'name': 'New Folder', 'folder': {}, '@microsoft.graph.conflictBehavior': 'rename' }, status: 201, exact: { name: 'New Folder 1' } },
  { page: api('resources/driveitem'), ask: 'POST /me/drive/root/children', send: { 'name': 'New Folder', 'folder': {}, '@microsoft.graph.conflictBehavior': 'fail' }, status: 409, shape: problem, exact: { error: { code: 'nameAlreadyExists' } } },
  { page: api('resources/driveitem'), ask: 'PUT /me/drive/root:/FolderA/FileB.txt:/content?@microsoft.graph.conflictBehavior=fail', send: 'third', status: 409, shape: problem, exact: { error: { code: 'nameAlreadyExists' } } },
  { page: api('resources/driveitem'), ask: 'PUT /me/drive/root:/FolderA/FileB.txt:/content?@microsoft.graph.conflictBehavior=replace', send: 'replaced', status: 200, exact: { id: '{item-id}', size: 8 } },
  { page: api('driveitem-update'), ask: 'DELETE /me/drive/items/{item-id}', headers: { 'if-match': '{etag}' }, status: 412, shape: problem, exact: { error: { code: 'resourceModified' } }, instead: 'the page names the status in words' },
  { page: api('driveitem-get'), ask: 'GET /me/drive/root', status: 200, shape: { ...stamped, cTag: 'x', eTag: 'x', folder: { childCount: 1 }, id: 'x', name: 'x', root: {}, size: 1, webUrl: 'x' } },
  { page: api('driveitem-list-children'), ask: 'GET /drives/{drive-id}/root:/FolderA:/children', status: 200, shape: { value: [{ name: 'x', size: 1, file: {} }] } },
  { page: api('driveitem-list-children'), ask: 'GET /drives/{drive-id}/root/children', pageSize: 1, status: 200, shape: { 'value': [{ name: 'x', folder: { childCount: 4 } }], '@odata.nextLink': 'https://' } },
  { page: api('driveitem-get-content'), ask: 'GET /me/drive/items/{item-id}/content', status: 302, answerHeaders: { location: /^https:\/\/(?!graph\.)/ }, keep: { download: 'header:location' } },
  { page: api('driveitem-get-content'), ask: 'GET {download}', headers: { range: 'bytes=0-3' }, status: 206, answerHeaders: { 'content-range': /^bytes 0-3\/8$/, 'content-type': /^application\/octet-stream$/ }, exact: { text: 'repl' } },
  { page: api('driveitem-delta'), ask: 'GET /me/drive/root/delta', pageSize: 2, status: 200, shape: { 'value': [{ id: 'x', name: 'x' }], '@odata.nextLink': 'https://' } },
  { page: api('driveitem-delta'), ask: 'GET /me/drive/root/delta?token=latest', status: 200, shape: { '@odata.deltaLink': 'https://' }, exact: { value: [] }, keep: { token: '@odata.deltaLink?token' } },
  { page: api('driveitem-delete'), ask: 'DELETE /me/drive/items/{item-id}', status: 204 },
  { page: api('driveitem-delta'), ask: 'GET /me/drive/root/delta(token=\'{token}\')', status: 200, shape: { '@odata.deltaLink': 'https://' }, exact: { value: [{ id: '{item-id}', deleted: {} }] } },
  { page: api('driveitem-delta'), ask: 'GET /me/drive/root/delta?token={token}', given: 'delta tokens are gone', status: 410, answerHeaders: { location: /^https:\/\/graph\.microsoft\.com\// }, shape: problem, exact: { error: { code: 'resyncChangesApplyDifferences' } }, instead: 'the page names status, header and codes in words' },
]

const listExamples: readonly DocumentedExample[] = [
  { page: api('list-create'), ask: 'POST /sites/{site-id}/lists', send: { displayName: 'Books', columns: [{ name: 'Author', text: {} }, { name: 'PageCount', number: {} }], list: { template: 'genericList' } }, status: 201, shape: { id: 'x', ...stamped }, keep: { 'list-id': 'id' } },
  { page: api('list-get'), ask: 'GET /sites/{site-id}/lists/{list-id}', status: 200, shape: list, exact: { id: '{list-id}' } },
  { page: api('list-get'), ask: 'GET /sites/{site-id}/lists/Books', status: 200, shape: list, exact: { id: '{list-id}' } },
  { page: api('list-list'), ask: 'GET /sites/{site-id}/lists', status: 200, shape: { value: [list] } },
  { page: api('listitem-create'), ask: 'POST /sites/{site-id}/lists/{list-id}/items', send: { fields: { Title: 'Widget', Author: 'Purple', PageCount: 32 } }, status: 201, shape: { id: '20', ...stamped }, keep: { 'item-id': 'id', 'etag': 'eTag' } },
  { page: api('listitem-get'), ask: 'GET /sites/{site-id}/lists/{list-id}/items/{item-id}?expand=fields', status: 200, exact: { id: '{item-id}', fields: { Title: 'Widget', Author: 'Purple', PageCount: 32 } } },
  { page: api('listitem-list'), ask: 'GET /sites/{site-id}/lists/{list-id}/items?expand=fields(select=Title,Author,PageCount)', status: 200, exact: { value: [{ id: '{item-id}', fields: { Title: 'Widget', Author: 'Purple', PageCount: 32 } }] } },
  { page: api('listitem-update'), ask: 'PATCH /sites/{site-id}/lists/{list-id}/items/{item-id}/fields', send: { Author: 'Fuchsia', PageCount: 934 }, status: 200, exact: { Title: 'Widget', Author: 'Fuchsia', PageCount: 934 }, instead: 'the page of 2021 printed 201' },
  { page: api('listitem-update'), ask: 'PATCH /sites/{site-id}/lists/{list-id}/items/{item-id}/fields', headers: { 'if-match': '{etag}' }, send: { Author: 'Late' }, status: 412, shape: problem, instead: 'the page names the status in words' },
  { page: api('listitem-delete'), ask: 'DELETE /sites/{site-id}/lists/{list-id}/items/{item-id}', status: 204 },
]

const mailExamples: readonly DocumentedExample[] = [
  { page: api('mailfolder-post-childfolders'), ask: 'POST /me/mailFolders/msgfolderroot/childFolders', send: { displayName: 'Clutters', isHidden: true }, status: 201, shape: mailFolder, exact: { displayName: 'Clutters', isHidden: true }, keep: { folder: 'id' }, instead: 'the example printed 200; what is created is 201' },
  { page: api('mailfolder-get'), ask: 'GET /me/mailFolders/{folder}', status: 200, shape: mailFolder, exact: { id: '{folder}' } },
  { page: api('mailfolder-list-childfolders'), ask: 'GET /me/mailFolders/msgfolderroot/childFolders', status: 200, exact: { value: [] } },
  { page: api('mailfolder-list-childfolders'), ask: 'GET /me/mailFolders/msgfolderroot/childFolders?includeHiddenFolders=true', status: 200, shape: { value: [mailFolder] }, exact: { value: [{ displayName: 'Clutters', isHidden: true }] } },
  { page: api('mailfolder-post-messages'), ask: 'POST /me/mailFolders/{folder}/messages', send: { subject: 'first', body: { contentType: 'text', content: 'content' } }, status: 201, shape: message, exact: { subject: 'first', parentFolderId: '{folder}', isDraft: true }, keep: { id: 'id' }, instead: 'the example printed 200; what is created is 201' },
  { page: api('mailfolder-post-messages'), ask: 'POST /me/mailFolders/{folder}/messages', send: { subject: 'second', body: { contentType: 'text', content: 'content' } }, status: 201 },
  { page: api('mailfolder-post-messages'), ask: 'POST /me/mailFolders/{folder}/messages', send: { subject: 'third', body: { contentType: 'text', content: 'content' } }, status: 201, keep: { third: 'id' } },
  { page: api('mailfolder-list-messages'), ask: 'GET /me/mailFolders/{folder}/messages', status: 200, shape: { value: [listed] } },
  { page: api('message-get'), ask: 'GET /me/messages/{id}', status: 200, shape: message, exact: { id: '{id}', subject: 'first' } },
  { page: api('message-delta'), ask: 'GET /me/mailFolders/{folder}/messages/delta', headers: { prefer: 'odata.maxpagesize=2' }, status: 200, shape: { 'value': [listed], '@odata.nextLink': 'https://' }, keep: { next: '@odata.nextLink' } },
  { page: concept('delta-query-messages'), ask: 'GET {next}', headers: { prefer: 'odata.maxpagesize=2' }, status: 200, shape: { 'value': [{ '@odata.etag': 'x', 'subject': 'x', 'isRead': true, 'id': 'x' }], '@odata.deltaLink': 'https://' }, keep: { delta: '@odata.deltaLink' } },
  { page: api('message-update'), ask: 'PATCH /me/messages/{id}', send: { subject: 'again', body: { contentType: 'text', content: 'new' } }, status: 200, shape: listed, exact: { subject: 'again', bodyPreview: 'new' } },
  { page: api('message-delete'), ask: 'DELETE /me/messages/{third}', status: 204 },
  { page: concept('delta-query-messages'), ask: 'GET {delta}', status: 200, shape: { '@odata.deltaLink': 'https://' }, exact: { value: [{ id: '{id}', subject: 'again' }, { '@odata.type': '#microsoft.graph.message', 'id': '{third}', '@removed': { reason: 'deleted' } }] } },
]

const groupExamples: readonly DocumentedExample[] = [
  { page: concept('extensibility-open-users'), ask: 'POST /groups/{group}/extensions', send: { '@odata.type': 'microsoft.graph.openTypeExtension', 'extensionName': 'com.contoso.roamingSettings', 'theme': 'dark', 'color': 'purple', 'lang': 'Japanese' }, status: 201, shape: extension, exact: extension, instead: ofGroup },
  { page: api('opentypeextension-get'), ask: 'GET /groups/{group}/extensions/com.contoso.roamingSettings', status: 200, exact: extension },
  { page: concept('extensibility-open-users'), ask: 'GET /groups/{group}?$select=id,displayName,mail&$expand=extensions', status: 200, shape: { id: 'x', displayName: 'x', mail: 'x' }, exact: { extensions: [extension] }, instead: ofGroup },
  { page: concept('extensibility-open-users'), ask: 'PATCH /groups/{group}/extensions/com.contoso.roamingSettings', send: { theme: 'light' }, status: 204, instead: ofGroup },
  { page: concept('extensibility-overview'), ask: 'GET /groups/{group}/extensions/com.contoso.roamingSettings', status: 200, exact: { theme: 'light', color: undefined }, instead: 'in words: what an update does not name is deleted' },
  { page: concept('json-batching'), ask: 'POST /$batch', headers: { accept: 'application/json' }, send: {
    requests: [
      { id: '1', method: 'GET', url: '/me/drive/root:/FolderA/Batch.txt:/content' },
      { id: '2', method: 'GET', url: '/groups/{group}/extensions' },
      { id: '3', method: 'GET', url: '/groups/nobody/extensions' },
      { id: '4', method: 'PATCH', url: '/groups/{group}/extensions/com.contoso.roamingSettings', body: { theme: 'dark' }, headers: { 'Content-Type': 'application/json' } },
      { id: '5', method: 'GET', url: '/me', dependsOn: ['3'] },
    ],
  }, status: 200, shape: { responses: [{ id: '1', status: 302 }] }, exact: { responses: [{ id: '1', status: 302 }, { id: '2', status: 200 }, { id: '3', status: 404 }, { id: '4', status: 204, body: null }, { id: '5', status: 424 }] } },
  { page: concept('json-batching'), ask: 'POST /$batch', send: { requests: Array.from({ length: 21 }, (_, index) => ({ id: String(index), method: 'GET', url: '/me' })) }, status: 400, shape: problem, instead: 'in words: a batch has 20 requests at most' },
  { page: api('opentypeextension-delete'), ask: 'DELETE /groups/{group}/extensions/com.contoso.roamingSettings', status: 204 },
]

const limitExamples: readonly DocumentedExample[] = [
  { page: throttling, ask: 'GET /sites/{site-id}', given: 'the minute is nearly used up', status: 200, answerHeaders: { 'ratelimit-limit': /^1200$/, 'ratelimit-remaining': /^120$/, 'ratelimit-reset': /^\d+$/ } },
  { page: throttling, ask: 'GET /sites/{site-id}', given: 'the minute is used up', status: 429, answerHeaders: { 'retry-after': /^\d+$/, 'ratelimit-limit': /^1200$/, 'ratelimit-remaining': /^0$/, 'ratelimit-reset': /^\d+$/ }, shape: problem },
  { page: concept('throttling'), ask: 'GET /me', given: 'the service is down', status: 503, answerHeaders: { 'retry-after': /^2\.128$/ }, shape: problem },
]

export const documentedExamples = [...driveExamples, ...listExamples, ...mailExamples, ...groupExamples, ...limitExamples]

/** Pages among the examples that were gathered whose requests Holdfast does not make, and why. The fake does not answer them. */
export const notAsked: Readonly<Record<string, string>> = {
  [api('driveitem-createuploadsession')]: 'a record is smaller than what one PUT takes',
  [api('list-get#columns')]: 'columns are not read back',
  [api('listitem-delta')]: 'the coverage list is written, never read for changes',
  [api('site-post-permissions')]: 'an admin grants it, by hand or in Graph Explorer',
  [api('site-list-permissions')]: 'the same',
  [api('list-post-permissions')]: 'the same',
  [api('message-move')]: 'mails go back as archives, not one by one',
  [api('user-post-messages')]: 'the same',
  [concept('import-exchange-mailbox-item')]: 'the same',
  [api('singlevaluelegacyextendedproperty-get')]: 'a mailbox has few named properties; records need none',
  [api('singlevaluelegacyextendedproperty-post-singlevalueextendedproperties')]: 'the same',
  [api('schemaextension-post-schemaextensions')]: 'an open extension is enough for one announcement',
  [concept('delta-query-overview')]: 'users and groups are not watched',
}
