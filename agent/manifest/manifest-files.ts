/** Which Office manifests there are, and what their files are called. */
export const manifestKinds = ['outlook', 'office'] as const
export type ManifestKind = (typeof manifestKinds)[number]

export const manifestFileNames: Readonly<Record<ManifestKind, string>> = { outlook: 'manifest.xml', office: 'manifest.office.xml' }
