/** The views, by the name that stands in the address. */
export const routes = ['protection', 'restore', 'team', 'settings', 'attach', 'start', 'kit', 'choose'] as const
export type RouteName = (typeof routes)[number]
