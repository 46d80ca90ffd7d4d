/** Phases of add-ons, in the order in which their hooks are called. */
export type Phase = 'core' | 'independent' | 'trigger' | 'dependent';

export const phases: readonly Phase[] = ['core', 'independent', 'trigger', 'dependent'];

export const isPhase = (text: string): text is Phase => phases.some((phase) => phase === text);
