/** How the machine is used at the moment, as far as the system tells: what work that nobody waits for gives way to. */
export interface Conditions {
  /** Since somebody touched keyboard or mouse, seconds; null: the system does not say (no desktop, say). */
  readonly idleSeconds: number | null
  readonly onBattery: boolean | null
  /** What goes over the network costs money. */
  readonly isMetered: boolean | null
}

export const unknownConditions: Conditions = { idleSeconds: null, onBattery: null, isMetered: null }

/** Asked about once a second while there is such work; never rejects. */
export interface ConditionsSource extends AsyncDisposable {
  look(): Promise<Conditions>
}

/** How fast work goes on that started by itself, and what it gives way to. */
export interface Pace {
  readonly state: 'go' | 'slow' | 'wait'
  readonly reason: 'active' | 'battery' | 'metered' | null
}
