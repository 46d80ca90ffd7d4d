/** Axes of a sweep: that each names what a command line may set, and that every value, and every point, is one that can run. */
import {
  axisFixed,
  duplicateKey,
  missingArgument,
  outOfLimits,
  unknownAttribute,
  unknownName,
  wrongType,
} from '../../parser/messages.gen.js';
import { nearest } from '../../parser/nearest.js';
import type { Span } from '../../parser/source.js';
import { holdersOf, madeOf, onlyAmended } from '../../values/amends.js';
import { optionTable } from '../../values/options.gen.js';
import { showType, withinLimits, type OptionDeclaration, type OptionType } from '../../values/options.js';
import { parseValue, showValue, UsageError, type OptionValue } from '../../values/overrides.js';
import { combinations, countOf, settingText, type Axis } from '../../values/sweep.js';
import type { Unit } from '../../values/units.js';
import { evaluateIr, type HostValue } from '../evaluate.js';
import type { IrAddon, IrExpr, IrParam, IrTrainer } from '../ir.js';
import { listed, optionOf, type TrainingInput } from './input.js';
import { hostNamesOf } from './run.js';

/** An axis with the places of its parts. */
export interface PlacedAxis extends Axis {
  readonly span: Span;
  readonly spans: readonly Span[];
}

const valueOf = (expr: IrExpr): OptionValue => {
  const number = evaluateIr(expr, new Map());
  if (expr.kind !== 'quantity' || typeof number !== 'number') return number ?? null;
  const unit: Unit = expr.unit === 'seconds' ? 'time' : expr.unit;
  return { unit, value: number };
};

export const axesIn = (addon: IrAddon, attribute: 'over' | 'average'): readonly PlacedAxis[] => {
  const given = optionOf(addon.options, attribute);
  return (given?.kind === 'items' ? given.items : []).flatMap((axis): PlacedAxis[] =>
    axis.kind === 'axis'
      ? [
          {
            name: axis.name,
            span: axis.span,
            values: axis.values.map(valueOf),
            spans: axis.values.map(({ span }) => span),
          },
        ]
      : [],
  );
};

export const paramType = ({ type }: IrParam): OptionType =>
  type.kind === 'choice'
    ? { kind: 'choice', choices: type.values }
    : type.kind === 'int' || type.kind === 'float' || type.kind === 'bool' || type.kind === 'path'
      ? { kind: type.kind }
      : { kind: 'string' };

/** Data sets that no step reads, and that others are made of. */
const basesOf = ({ amends, data }: IrTrainer): readonly string[] =>
  onlyAmended(
    amends?.data ?? [],
    data.map(({ name }) => name),
  );

/** What has attributes, by name, with its kinds in the table of options. */
const ownersOf = (trainer: IrTrainer): ReadonlyMap<string, readonly string[]> =>
  new Map<string, readonly string[]>([
    ['trainer', ['trainer/options']],
    ...basesOf(trainer).map((name) => [name, ['data/options']] as const),
    ...trainer.data.map(({ name, source }) => [name, ['data/options', `data/${source.name}`]] as const),
    ...trainer.optimizers.map(({ name, kind }) => [name, [`optimizer/${kind}`]] as const),
    ...trainer.addons
      .filter(({ name }) => name !== 'sweep')
      .map(({ name, label }) => [label, [`addon/${name}`]] as const),
  ]);

const fixedHelp = 'make it a `param`, write that into the spec, and sweep over the param';
const fixed = 'it is fixed when the trainer is built';

/** What a command line may set, and no axis: what changes nothing of a run, and what is of the whole sweep. */
const notSwept: ReadonlyMap<string, { readonly reason: string; readonly help: string }> = new Map([
  [
    'run_dir',
    {
      reason: 'each run of a sweep has its own folder below that of the sweep',
      help: 'leave it out, or name the folder of the sweep: `--run-dir`',
    },
  ],
  [
    'dev_run',
    {
      reason: 'a dev run is of all runs of a sweep, and picks no point',
      help: 'write `--dev-run` at the command line; for runs of other lengths, sweep over `trainer.steps`',
    },
  ],
  ...(['limit.test', 'limit.predict'] as const).map(
    (name) =>
      [
        name,
        {
          reason: 'a run trains and validates, and takes no such step',
          help: 'leave it out, or set it in the trainer',
        },
      ] as const,
  ),
  ...(['progress', 'summary', 'profile'] as const).map(
    (name) =>
      [
        name,
        {
          reason: 'it changes what is shown of a run, not the run',
          help: 'leave it out, or set it in the trainer',
        },
      ] as const,
  ),
]);

interface Target {
  readonly type: OptionType;
  readonly nullable: boolean;
  readonly option: OptionDeclaration | null;
}

const partsHelp = 'name the part: `trainer.limit.train`';

const optionIn = (kinds: readonly string[], name: string): OptionDeclaration | undefined =>
  kinds.flatMap((kind) => optionTable.get(kind) ?? []).find((each) => each.name === name);

const targetOf = ({ trainer, report }: TrainingInput, { name, span }: PlacedAxis): Target | null => {
  const [first = '', second, ...more] = name.split('.');
  const owners = ownersOf(trainer);
  if (second === undefined) {
    const param = trainer.params.find((each) => each.name === first);
    if (param) return { type: paramType(param), nullable: false, option: null };
    const params = trainer.params.map((each) => each.name);
    const [near] = nearest(first, params);
    const isOption = (optionTable.get('trainer/options') ?? []).some(
      (each) => each.name === first && each.overridable,
    );
    const help = isOption
      ? `write \`trainer.${first}\``
      : near !== undefined
        ? `write \`${near}\``
        : params.length > 0
          ? `params are ${listed(params)}; an attribute has its owner in front, \`trainer.epochs\``
          : 'an attribute has its owner in front, `trainer.epochs`';
    report(unknownName(span, { kind: 'param', name: first }, { help }));
    return null;
  }
  const kinds = owners.get(first);
  // The parts of `limit` have names of their own: `trainer.limit.train`.
  const option = kinds ? optionIn(kinds, [second, ...more].join('.')) : undefined;
  if (!kinds || (more.length > 0 && !option)) {
    const [near] = nearest(first, owners.keys());
    const help = kinds
      ? second === 'limit'
        ? partsHelp
        : 'an axis is a param, `lr`, or an attribute of one thing, `opt.lr`'
      : near !== undefined
        ? `write \`${near}.${second}\``
        : `what has attributes are ${listed([...owners.keys()])}`;
    report(unknownName(span, { kind: 'setting', name }, { help }));
    return null;
  }
  if (trainer.optimizers.some((each) => each.name === first && each.extern)) {
    report(axisFixed(span, { name, reason: fixed }, { help: fixedHelp }));
    return null;
  }
  if (first === 'trainer' && second === 'limit' && !option) {
    report(axisFixed(span, { name, reason: 'it has parts, which can be' }, { help: partsHelp }));
    return null;
  }
  const unswept = first === 'trainer' ? notSwept.get([second, ...more].join('.')) : undefined;
  if (unswept) {
    report(axisFixed(span, { name, reason: unswept.reason }, { help: unswept.help }));
    return null;
  }
  const settable = kinds
    .flatMap((kind) => optionTable.get(kind) ?? [])
    .filter(({ overridable }) => overridable)
    .map((each) => each.name)
    .filter((each) => first !== 'trainer' || !notSwept.has(each));
  if (!option) {
    const [near] = nearest(second, settable);
    const help = near !== undefined ? `write \`${first}.${near}\`` : `it has ${listed(settable)}`;
    report(unknownAttribute(span, { kind: 'attribute', name: second, owner: first }, { help }));
    return null;
  }
  if (!option.overridable || option.type === null) {
    report(axisFixed(span, { name, reason: fixed }, { help: fixedHelp }));
    return null;
  }
  return { type: option.type, nullable: option.nullable, option };
};

/** Whether every value can be set, once. */
const checkValues = (
  { report }: TrainingInput,
  axis: PlacedAxis,
  { type, nullable, option }: Target,
): boolean => {
  const seen = new Set<string>();
  for (const [at, given] of axis.values.entries()) {
    const span = axis.spans[at] ?? axis.span;
    const text = settingText(given);
    const what = `a value of \`${axis.name}\``;
    let read: OptionValue;
    try {
      // A text that looks like a number is a text in the spec.
      if (typeof given === 'string' && !['string', 'path', 'choice'].includes(type.kind))
        throw new UsageError('');
      read = parseValue(axis.name, type, text, nullable);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      report(wrongType(span, { what, found: showValue(given), expected: showType(type) }));
      return false;
    }
    const isNone = typeof read === 'object' && read !== null && read.unit !== 'batches' && read.value <= 0;
    if (isNone || (typeof read === 'object' && read !== null && read.value < 0)) {
      report(wrongType(span, { what, found: text, expected: 'more than 0' }));
      return false;
    }
    if (typeof read === 'number' && option && !withinLimits(read, option.limits)) {
      report(outOfLimits(span, { what, value: read, text: option.where ?? '' }));
      return false;
    }
    // Two ways to write one value are one point all the same.
    if (seen.has(showValue(read))) {
      report(duplicateKey(span, { name: text }, { help: 'each value is run once; leave one out' }));
      return false;
    }
    seen.add(showValue(read));
  }
  return true;
};

/** Points are looked at one by one up to this many. */
const mostPoints = 10_000;

/** Conditions on params, at every point: those that join several params only fail at some. */
const checkPoints = (input: TrainingInput, axes: readonly PlacedAxis[]): boolean => {
  const { trainer, report } = input;
  const swept = axes.filter(({ name }) => !name.includes('.'));
  if (swept.length === 0 || countOf(swept) > mostPoints) return true;
  for (const point of combinations(swept)) {
    const own = new Map(input.params);
    for (const { name, text } of point) {
      const param = trainer.params.find((each) => each.name === name);
      const value = param ? parseValue(name, paramType(param), text) : null;
      own.set(name, typeof value === 'object' ? null : (value satisfies HostValue));
    }
    const names = hostNamesOf({ ...input, params: own });
    const conditions = [
      ...trainer.params.flatMap(({ name, where }) => (where ? [{ name, ...where }] : [])),
      ...trainer.asserts.map(({ test, text }) => ({ name: null, test, text })),
    ];
    const broken = conditions.find(({ test }) => evaluateIr(test, names) === false);
    if (!broken) continue;
    const axis =
      swept.find(({ name }) => name === broken.name) ?? swept.find(({ name }) => broken.text.includes(name));
    // A condition that no axis has a part in is broken by the spec's own values, and told of there.
    if (!axis) continue;
    const at = point.find(({ name }) => name === axis.name)?.text ?? '';
    const index = axis.values.findIndex((value) => settingText(value) === at);
    const others = point.map(({ name, text }) => `${name} = ${text}`).join(', ');
    report(
      outOfLimits(
        axis.spans[index] ?? axis.span,
        { what: `\`${axis.name}\` at a point of the sweep`, value: at, text: broken.text },
        swept.length > 1 ? { notes: [`the point is ${others}`] } : {},
      ),
    );
    return false;
  }
  return true;
};

/** A run has one length: with an axis of each, no point could be run. */
const checkLengths = ({ report }: TrainingInput, axes: readonly PlacedAxis[]): boolean => {
  const [first, second] = axes.filter(({ name }) => name === 'trainer.epochs' || name === 'trainer.steps');
  if (!first || !second || first.name === second.name) return true;
  report(
    axisFixed(
      second.span,
      { name: second.name, reason: `\`${first.name}\` is swept too, and a run has one length` },
      { related: [{ span: first.span, label: 'the other length' }], help: 'keep one of the two axes' },
    ),
  );
  return false;
};

/** An axis over what no step reads changes something only where that is handed on. */
const checkHolds = (
  { trainer, report }: TrainingInput,
  axis: PlacedAxis,
  axes: readonly PlacedAxis[],
): boolean => {
  const path = axis.name.split('.');
  const [owner = '', option = ''] = path;
  if (!basesOf(trainer).includes(owner)) return true;
  const sets = trainer.data.map(({ name }) => name);
  const amends = trainer.amends?.data ?? [];
  const found = holdersOf(
    amends,
    { path },
    sets,
    axes.map(({ name }) => ({ path: name.split('.') })),
  );
  if (typeof found !== 'string') return true;
  const instead = madeOf(amends, owner, sets).map((name) => `\`${name}.${option}\``);
  report(
    axisFixed(axis.span, { name: axis.name, reason: found }, { help: `sweep over ${instead.join(' or ')}` }),
  );
  return false;
};

/** Its axes; none where there is no sweep, or one that cannot run. */
export const checkSweep = (input: TrainingInput): readonly PlacedAxis[] => {
  const all: PlacedAxis[] = [];
  let canRun = true;
  const { trainer, report } = input;
  for (const addon of trainer.addons) {
    if (addon.name !== 'sweep') continue;
    const axes = [...axesIn(addon, 'over'), ...axesIn(addon, 'average')];
    if (axes.length === 0) {
      report(
        missingArgument(
          addon.span,
          { owner: 'sweep', kind: 'attribute', name: 'over' },
          { help: 'write `over = [axis(lr, [1e-4, 1e-3])]`, or `average = axis(fold, range(5))`, or both' },
        ),
      );
      continue;
    }
    let fine = true;
    for (const [at, axis] of axes.entries()) {
      const before = axes.slice(0, at).find(({ name }) => name === axis.name);
      if (before) {
        report(
          duplicateKey(
            axis.span,
            { name: axis.name },
            { related: [{ span: before.span, label: 'the first' }], help: 'join their values in one axis' },
          ),
        );
        fine = false;
        continue;
      }
      const target = targetOf(input, axis);
      if (!target || !checkValues(input, axis, target) || !checkHolds(input, axis, axes)) fine = false;
    }
    if (!checkLengths(input, axes)) fine = false;
    if (fine) fine = checkPoints(input, axes);
    canRun &&= fine;
    all.push(...axes);
  }
  return canRun ? all : [];
};
