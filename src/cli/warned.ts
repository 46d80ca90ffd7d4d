/** Warnings of a spec that its run does not tell once more at the start: those that hold for it as they were told. */
import { walkIr } from '../checker/ir-walk.js';
import type { Checked } from '../checker/check.js';
import type { IrTrainer } from '../checker/ir.js';
import type { Override } from '../values/overrides.js';

/** What the start of a run tells as well, since a command line or an executable may make it another. */
const toldAtStart: ReadonlySet<string> = new Set(['ZT5023', 'ZT5026']);

/** Options of the trainer that these depend on. */
const options: ReadonlySet<string> = new Set(['accumulate', 'limit', 'overfit', 'dev_run']);

/** Names of params that what these warnings are about reads. */
const paramsOf = ({ data, steps, options: own }: IrTrainer): ReadonlySet<string> => {
  const found = new Set<string>();
  walkIr([data, steps, own], ({ kind, ref }) => {
    if (kind !== 'ref' || typeof ref !== 'object' || ref === null) return;
    if ('kind' in ref && ref.kind === 'param' && 'name' in ref) found.add(String(ref.name));
  });
  return found;
};

/** Whether a run with this override may have other warnings than the spec as it is. */
const matters = (trainer: IrTrainer, { path }: Override): boolean => {
  const [owner = '', option] = path;
  if (option === undefined) return paramsOf(trainer).has(owner);
  if (owner === 'trainer') return options.has(option);
  const { amends, data } = trainer;
  const sets = [
    ...data.map(({ name }) => name),
    ...(amends?.data ?? []).flatMap(({ name, of }) => [name, of]),
  ];
  return sets.includes(owner);
};

/** Their codes. */
export const warnedOf = (
  { ir, diagnostics }: Pick<Checked, 'ir' | 'diagnostics'>,
  overrides: readonly Override[],
): readonly string[] => {
  const trainer = ir?.trainer ?? null;
  if (trainer === null || overrides.some((each) => matters(trainer, each))) return [];
  const codes = diagnostics.map(({ code }) => code);
  return [...new Set(codes)].filter((code) => toldAtStart.has(code));
};
