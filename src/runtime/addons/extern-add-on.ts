/** Add-ons of a spec that are written in TypeScript. */
import { isMetric, type AddOn, type Phase, type Start } from './addon.js';
import { isSecret } from './secret.js';

/** What the spec declares of it. */
export interface ExternAddOn {
  readonly kind: string;
  readonly phase: Phase;
  readonly owns: readonly string[];
}

/** The add-on that `make` gives for these options. It is made anew for each run, when add-ons start. */
export function extern<O extends object>(
  { kind, phase, owns }: ExternAddOn,
  make: (options: O) => Start,
  options: NoInfer<O>,
): AddOn {
  const values: readonly unknown[] = Object.values(options).flat();
  const made: AddOn = {
    kind,
    phase,
    owns,
    secrets: values.filter(isSecret),
    watches: values.filter(isMetric),
    withOptions: () => made,
    start: (host) => make(options)(host),
  };
  return made;
}
