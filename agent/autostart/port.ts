/** Starts the agent when its user logs on. One adapter for each system's own way. */
export interface Autostart {
  /** As the system calls it: `systemd user unit holdfast.service`. */
  readonly name: string
  isOn(): Promise<boolean>
  /** From now on, and at once. Throws HoldfastError `target-unwritable` with what the system said. */
  on(): Promise<void>
  /** Stops the agent too, when the system started it. */
  off(): Promise<void>
}

/** What is started: the launcher of this installation (`holdfast`, `holdfast.cmd`) on one home. */
export interface Launch {
  readonly launcher: string
  readonly home: string
  /** Tells apart the agents of several homes; empty for the default home. */
  readonly suffix: string
}
