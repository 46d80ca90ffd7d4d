/** `show --weights`: what a model holds, with sizes for the params at hand, and what of it is trained. */
import type { Checked } from '../checker/check.js';
import { evaluateIr } from '../checker/evaluate.js';
import { evaluate, showSize, type Size } from '../checker/dims/size.js';
import type { Weight } from '../checker/env.js';
import type { IrExpr, IrOptimizer, IrTrainer } from '../checker/ir.js';
import { isAmong } from '../checker/training/groups.js';
import { optionOf } from '../checker/training/input.js';
import { counted, grouped } from '../values/counted.js';
import type { Settings } from './settings.js';
import type { SpecFile } from './specs.js';
import { showBytes, table } from './tables.js';

interface Counted {
  readonly cells: readonly string[];
  readonly values: number;
  readonly bytes: number;
  readonly share: Share;
}

const bytesOf: Readonly<Record<Weight['dtype'], number>> = { f32: 4, i32: 4, u8: 1, bool: 1 };

/** How much of a line's values is trained at any time, and how much of that in a part of the run only. */
interface Share {
  readonly trained: number;
  readonly partly: number;
  readonly note: string;
}

/** Paths of the weights that a line stands for: what a `repeat` makes has a number for each turn. */
const pathsOf = ({ path }: Weight, times: number): readonly string[] =>
  path.split('*').length === 2 && Number.isSafeInteger(times)
    ? Array.from({ length: times }, (_, turn) => path.replace('*', String(turn)))
    : [path];

/** The last `freeze` that says something of a weight; null where it is trained in every step. */
const freezeOf = ({ options, groups }: IrOptimizer, path: string): IrExpr | null => {
  const own = groups.filter((group) => group.options.some(({ name }) => name === 'freeze'));
  const last = own.findLast((group) => isAmong(group, path) !== 'no');
  const given = optionOf(last?.options ?? options, 'freeze');
  return given?.kind === 'literal' ? null : given;
};

/** Whether the weight at a path is trained, and when: as a run does it, without the run's length. */
const whenTrained = (
  { optimizers }: IrTrainer,
  model: string,
  path: string,
): '' | 'not trained' | 'frozen' | 'frozen for a part of the run' => {
  const owner = optimizers.find(
    ({ of, owns }) =>
      of.some((each) => each.model === model) && (owns === null || isAmong(owns, path) !== 'no'),
  );
  if (owner === undefined) return 'not trained';
  const freeze = freezeOf(owner, path);
  if (freeze === null) return '';
  return freeze.kind === 'rest' ? 'frozen' : 'frozen for a part of the run';
};

const shareOf = (
  trainer: IrTrainer,
  model: string,
  weight: Weight,
  { times, values }: { readonly times: number; readonly values: number },
): Share => {
  if (!weight.trainable) return { trained: 0, partly: 0, note: 'not trained' };
  const whens = pathsOf(weight, times).map((path) => whenTrained(trainer, model, path));
  const [first = ''] = whens;
  const among = (test: (when: string) => boolean): number =>
    whens.length === 0 ? 0 : (values * whens.filter(test).length) / whens.length;
  const trained = among((when) => when !== 'not trained' && when !== 'frozen');
  const partly = among((when) => when === 'frozen for a part of the run');
  if (whens.every((when) => when === first)) return { trained, partly, note: first };
  const notes = [...new Set(whens)].flatMap((when) =>
    when === '' ? [] : [`${grouped(among((each) => each === when))} ${when}`],
  );
  return { trained, partly, note: notes.join(', ') };
};

export const weightLines = (
  _spec: SpecFile,
  checked: Checked,
  _trainer: IrTrainer,
  { names, trainer }: Settings,
): readonly string[] => {
  const numbers = new Map<string, number>();
  for (const [name, value] of names.params) if (typeof value === 'number') numbers.set(name, value);
  const rowOf = (model: string, weight: Weight): Counted => {
    const own = new Map(numbers);
    // A model's own parameters, as this one was made.
    for (const { name, value } of trainer.models.find((each) => each.name === model)?.options ?? []) {
      const known = evaluateIr(value, names);
      if (typeof known === 'number') own.set(name, known);
    }
    const sizeOf = (size: Size): number => evaluate(size, own);
    const sizes = weight.shape.map(sizeOf);
    const times = weight.count === null ? 1 : sizeOf(weight.count);
    const values = sizes.reduce((product, size) => product * size, times);
    const share = shareOf(trainer, model, weight, { times, values });
    const bytes = values * bytesOf[weight.dtype];
    const shape = weight.shape.map((size, at) => {
      const found = sizes[at] ?? Number.NaN;
      return Number.isFinite(found) ? String(found) : showSize(size);
    });
    const symbolic = weight.shape.map(showSize);
    const isSymbolic = symbolic.some((text, at) => text !== shape[at]);
    return {
      cells: [
        model,
        weight.path,
        `${weight.dtype}[${shape.join(', ')}]${weight.count === null ? '' : ` × ${Number.isFinite(times) ? times : showSize(weight.count)}`}`,
        grouped(values),
        showBytes(bytes),
        [share.note, isSymbolic ? `[${symbolic.join(', ')}]` : ''].filter((text) => text !== '').join('  '),
      ],
      values,
      bytes,
      share,
    };
  };
  const used = new Set(trainer.models.map(({ name }) => name));
  const rows = [...checked.weights]
    .filter(([model]) => used.has(model))
    .flatMap(([model, weights]) => weights.map((weight) => rowOf(model, weight)));
  const total = (of: (row: Counted) => number): number => rows.reduce((sum, row) => sum + of(row), 0);
  const partly = total(({ share }) => share.partly);
  const part = partly === 0 ? '' : ` (${grouped(partly)} for a part of the run)`;
  return [
    ...table([['model', 'path', 'shape', 'count', 'bytes', ''], ...rows.map(({ cells }) => cells)], [3, 4]),
    `${counted(
      total((row) => row.values),
      'value',
    )} in ${showBytes(total((row) => row.bytes))}, ${grouped(total(({ share }) => share.trained))} trained${part}`,
  ];
};
