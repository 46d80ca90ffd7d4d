/**
 * The runs of a sweep, each held against its own numbers: what an axis decides is not what the spec says besides it. What is
 * wrong in some of them is told of at the value that makes it so.
 */
import type { Diagnostic } from '../../parser/diagnostic.js';
import type { Span } from '../../parser/source.js';
import { parseValue } from '../../values/overrides.js';
import { countOf, settingText } from '../../values/sweep.js';
import { amendTrainer } from './amend.js';
import type { TrainingInput } from './input.js';
import { paramType, type PlacedAxis } from './sweep.js';

/**
 * So many runs are looked at in all their combinations. Of more, each value of an axis is looked at alone, with the first
 * value of every other axis: two values that are wrong only together are found by the run then.
 */
const mostRuns = 200;

/** Which value of each axis. */
type Choice = readonly number[];

interface SweptRun {
  readonly choice: Choice;
  readonly found: readonly Placed[];
}

interface Placed {
  /** The same in each run that has it. */
  readonly key: string;
  readonly diagnostic: Diagnostic;
  /** The axis in whose values it lies. */
  readonly axis: PlacedAxis | null;
}

const choicesOf = (axes: readonly PlacedAxis[]): readonly Choice[] => {
  if (countOf(axes) <= mostRuns)
    return axes.reduce<readonly Choice[]>(
      (before, { values }) => before.flatMap((choice) => values.map((_, at) => [...choice, at])),
      [[]],
    );
  const first = axes.map(() => 0);
  return [
    first,
    ...axes.flatMap(({ values }, own) =>
      values.slice(1).map((_, at) => first.map((zero, axis) => (axis === own ? at + 1 : zero))),
    ),
  ];
};

const textAt = ({ values }: PlacedAxis, at: number): string => settingText(values[at] ?? null);

/** The spec as the run with these values has it. */
const inputAt = (input: TrainingInput, axes: readonly PlacedAxis[], choice: Choice): TrainingInput => {
  const params = new Map(input.params);
  let { trainer } = input;
  for (const [index, axis] of axes.entries()) {
    const at = choice[index] ?? 0;
    const text = textAt(axis, at);
    const param = trainer.params.find(({ name }) => name === axis.name);
    const value = param ? parseValue(axis.name, paramType(param), text) : null;
    if (param) params.set(axis.name, typeof value === 'object' ? null : value);
    else trainer = amendTrainer(trainer, { path: axis.name.split('.'), text }, axis.spans[at]);
  }
  return { ...input, trainer, params };
};

const isIn = (span: Span, of: Span): boolean =>
  span.file === of.file && span.start >= of.start && span.end <= of.end;

const placed = (diagnostics: readonly Diagnostic[], axes: readonly PlacedAxis[]): readonly Placed[] => {
  const counts = new Map<string, number>();
  return diagnostics.map((diagnostic) => {
    const { code, span } = diagnostic;
    const axis = axes.find(({ spans }) => spans.some((each) => isIn(span, each))) ?? null;
    const place = `${code} ${axis ? axis.name : `${span.file} ${span.start} ${span.end}`}`;
    const count = counts.get(place) ?? 0;
    counts.set(place, count + 1);
    return { key: `${place} ${count}`, diagnostic, axis };
  });
};

/** Checks the runs of a sweep; without axes, the one run. */
export const checkRuns = (
  input: TrainingInput,
  swept: readonly PlacedAxis[],
  check: (input: TrainingInput) => void,
): void => {
  // A seed changes no number that is known before the run, and what a command line sets is no axis any more.
  const axes = swept.filter(({ name }) => name !== 'trainer.seed' && !input.params?.has(name));
  if (axes.length === 0) {
    check(input);
    return;
  }
  const runs = choicesOf(axes).map((choice): SweptRun => {
    const own: Diagnostic[] = [];
    check({ ...inputAt(input, axes, choice), report: (diagnostic) => void own.push(diagnostic) });
    return { choice, found: placed(own, axes) };
  });
  for (const key of new Set(runs.flatMap(({ found }) => found.map((each) => each.key))))
    for (const diagnostic of ofKey(key, runs, axes)) input.report(diagnostic);
};

/** What is said of a finding that some runs of a sweep share. */
const ofKey = (
  key: string,
  runs: readonly SweptRun[],
  axes: readonly PlacedAxis[],
): readonly Diagnostic[] => {
  const having = runs.flatMap(({ choice, found }) => {
    const one = found.find((each) => each.key === key);
    return one ? [{ choice, ...one }] : [];
  });
  const [first] = having;
  if (first === undefined) return [];
  const everywhere = having.length === runs.length;
  const { severity, message } = first.diagnostic;
  // A sweep tries values out: what does nothing, or little, in some of its runs is no slip of the spec.
  if (severity === 'warning' && !everywhere) return [];
  const count = everywhere
    ? 'every run of the sweep has this'
    : countOf(axes) === runs.length
      ? `${having.length} of the ${runs.length} runs of the sweep ${having.length === 1 ? 'has' : 'have'} this`
      : 'each value was looked at with the first value of the other axes';
  const notesOf = ({ choice, diagnostic }: (typeof having)[number]): readonly string[] => [
    ...(diagnostic.notes ?? []),
    `in the run with ${axes.map((axis, index) => `${axis.name} = ${textAt(axis, choice[index] ?? 0)}`).join(', ')}`,
    count,
  ];
  if (everywhere && (severity === 'warning' || first.axis === null)) {
    const isSame = having.every(({ diagnostic }) => diagnostic.message === message);
    return [
      isSame && first.axis === null ? first.diagnostic : { ...first.diagnostic, notes: notesOf(first) },
    ];
  }
  const told = new Set<Span>();
  return having.flatMap((each): Diagnostic[] => {
    const { diagnostic, choice, axis } = each;
    const blamed = axis === null ? decisive(key, choice, runs) : axes.indexOf(axis);
    const span = blamed === null ? undefined : axes[blamed]?.spans[choice[blamed] ?? 0];
    if (span === undefined || told.has(span)) return [];
    told.add(span);
    const { label, fix: _, related = [], ...rest } = diagnostic;
    const notes = notesOf(each);
    return [
      axis === null
        ? {
            ...rest,
            span,
            related: [{ span: diagnostic.span, label: label ?? 'does not hold here' }, ...related],
            notes,
          }
        : { ...rest, ...(label === undefined ? {} : { label }), related, notes },
    ];
  });
};

/** The first axis of which another value, all others being the same, has no such finding. */
const decisive = (key: string, choice: Choice, runs: readonly SweptRun[]): number | null => {
  const others = runs.flatMap((run) => {
    const differing = choice.flatMap((at, axis) => (run.choice[axis] === at ? [] : [axis]));
    const [axis] = differing;
    return differing.length === 1 && axis !== undefined && !run.found.some((each) => each.key === key)
      ? [axis]
      : [];
  });
  return others.length === 0 ? null : Math.min(...others);
};
