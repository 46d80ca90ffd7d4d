/** Warnings of a spec that its run does not tell once more at the start: those that hold for it as they were told. */
import { axesIn } from '../checker/training/sweep.js';
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

/** Whether a run with another value at this path may have other warnings than the spec as it is. */
const matters = (trainer: IrTrainer, path: readonly string[]): boolean => {
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

/** Paths of what runs of the spec's sweep have other values of; null where it has none. */
const sweptPaths = ({ addons }: IrTrainer): readonly (readonly string[])[] | null => {
  const sweeps = addons.filter(({ name }) => name === 'sweep');
  if (sweeps.length === 0) return null;
  const axes = sweeps.flatMap((addon) => [...axesIn(addon, 'over'), ...axesIn(addon, 'average')]);
  return axes.map(({ name }) => name.split('.'));
};

/** Their codes. The check holds the runs of a sweep against what there is, so one run without it has none of these. */
export const warnedOf = (
  { ir, diagnostics }: Pick<Checked, 'ir' | 'diagnostics'>,
  overrides: readonly Override[],
  sweeps: boolean,
): readonly string[] => {
  const trainer = ir?.trainer ?? null;
  if (trainer === null) return [];
  const swept = sweptPaths(trainer);
  if (swept !== null && !sweeps) return [];
  const paths = [...overrides.map(({ path }) => path), ...(swept ?? [])];
  if (paths.some((path) => matters(trainer, path))) return [];
  const codes = diagnostics.map(({ code }) => code);
  return [...new Set(codes)].filter((code) => toldAtStart.has(code));
};
