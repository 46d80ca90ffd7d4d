/** Signals that end a program. */

/** With the exit codes that a shell gives them. */
export const signalCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

export type EndSignal = keyof typeof signalCodes;
