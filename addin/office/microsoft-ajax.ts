/**
 * The few parts of MicrosoftAjax.js that office.js looks for. Where they are missing, office.js fetches the library from
 * a server of Microsoft's and never gets ready when that fails; the pane must work without the internet.
 */
export function provideMicrosoftAjax(): void {
  const world = globalThis as unknown as Record<string, unknown>
  world['Sys'] ??= { StringBuilder: function StringBuilder(): void {}, Serialization: { JavaScriptSerializer: { serialize: JSON.stringify, deserialize: JSON.parse } }, Debug: { trace: () => {} } }
  const type = Function as unknown as Record<string, unknown>
  world['Type'] ??= type
  type['registerNamespace'] ??= (name: string) => { world[name] ??= {} }
  const registerClass = function registerClass(): void {}
  type['registerClass'] ??= registerClass
  ;(Function.prototype as unknown as Record<string, unknown>)['registerClass'] ??= registerClass
  type['_validateParams'] ??= () => null
  const errors = Error as unknown as Record<string, unknown>
  for (const kind of ['argument', 'argumentNull', 'argumentOutOfRange', 'argumentType', 'argumentUndefined', 'create', 'invalidOperation', 'notImplemented', 'parameterCount']) {
    errors[kind] ??= (...words: unknown[]) => new Error([kind, ...words].filter(Boolean).join(' '))
  }
  const strings = String as unknown as Record<string, unknown>
  strings['format'] ??= (text: string, ...values: unknown[]) => text.replaceAll(/\{(\d+)\}/g, (_all, index: string) => String(values[Number(index)]))
}
