/** Add-ons of a spec that are written in TypeScript. */
import { isMetric, type AddOn, type Phase, type Start } from './addon.js';
import { isSecret } from './secret.js';

/** What the spec declares of it. */
export interface ExternAddOn<Owns extends readonly string[] = readonly string[]> {
  readonly kind: string;
  readonly phase: Phase;
  readonly owns: Owns;
}

/**
 * The add-on that `make` gives for these options. It is made anew for each run, when add-ons start. Its hooks may end the run where it owns
 * `stop`.
 */
export function extern<O extends object, const Owns extends readonly string[]>(
  { kind, phase, owns }: ExternAddOn<Owns>,
  make: (options: O) => Start<Owns[number]>,
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
