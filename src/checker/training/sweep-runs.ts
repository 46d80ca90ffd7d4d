/**
 * The runs of a sweep, each held against its own numbers: what an axis decides is not what the spec says besides it. What is
 * wrong in some of them is told of at the value that makes it so.
 */
import type { Diagnostic } from '../../parser/diagnostic.js';
import { isWithin, type Span } from '../../parser/source.js';
import { counted } from '../../values/counted.js';
import { parseValue } from '../../values/overrides.js';
import { countOf, settingText } from '../../values/sweep.js';
import { amendTrainer } from './amend.js';
import type { TrainingInput } from './input.js';
import { paramType, type PlacedAxis } from './sweep.js';

/** So many runs are checked at most, however many a sweep has. */
export const mostChecks = 200;

/** So many steps of runs are looked at one by one at most, beyond those of the first run. */
const mostScanned = 1_000_000;

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

/** Places of `count` values but the first: the last one, then those between in an order whose every beginning is spread evenly. */
const spread = (count: number): readonly number[] => {
  const golden = (Math.sqrt(5) - 1) / 2;
  const placed = Array.from({ length: count }, (_, turn) => ({ turn, place: (turn * golden) % 1 }));
  const between = placed
    .sort((a, b) => a.place - b.place)
    .map(({ turn }, at) => ({ turn, at }))
    .filter(({ at }) => at > 0 && at < count - 1)
    .sort((a, b) => a.turn - b.turn)
    .map(({ at }) => at);
  return count < 2 ? [] : [count - 1, ...between];
};

/**
 * Every combination of the axes in `live`, the others at their first value; where these are too many, each value with the first of
 * every other axis, one of each axis in turn: what is left out at the end is spread evenly over the values.
 */
const choicesOf = (axes: readonly PlacedAxis[], live: ReadonlySet<number>): readonly Choice[] => {
  const first = axes.map(() => 0);
  const swept = axes.filter((_, index) => live.has(index));
  if (countOf(swept) <= mostChecks)
    return axes.reduce<readonly Choice[]>(
      (before, { values }, own) =>
        before.flatMap((choice) =>
          live.has(own) ? values.map((_, at) => [...choice, at]) : [[...choice, 0]],
        ),
      [[]],
    );
  const turns = axes.map(({ values }, own) => (live.has(own) ? spread(values.length) : []));
  const longest = Math.max(...turns.map(({ length }) => length));
  const alone = Array.from({ length: longest }, (_, turn) =>
    turns.flatMap((values, own) => {
      const at = values[turn];
      return at === undefined ? [] : [first.map((zero, axis) => (axis === own ? at : zero))];
    }),
  );
  return [first, ...alone.flat()];
};

const textAt = ({ values }: PlacedAxis, at: number): string => settingText(values[at] ?? null);

/** The spec as the run with these values has it. */
const inputAt = (input: TrainingInput, axes: readonly PlacedAxis[], choice: Choice): TrainingInput => {
  const params = new Map(input.params);
  let { trainer } = input;
  const textOf = (axis: PlacedAxis, index: number): string => textAt(axis, choice[index] ?? 0);
  const all = axes.map((axis, index) => ({ path: axis.name.split('.'), text: textOf(axis, index) }));
  for (const [index, axis] of axes.entries()) {
    const at = choice[index] ?? 0;
    const text = textOf(axis, index);
    const param = trainer.params.find(({ name }) => name === axis.name);
    const value = param ? parseValue(axis.name, paramType(param), text) : null;
    if (param) params.set(axis.name, typeof value === 'object' ? null : value);
    else trainer = amendTrainer(trainer, { path: axis.name.split('.'), text }, axis.spans[at], all);
  }
  return { ...input, trainer, params };
};

const placed = (diagnostics: readonly Diagnostic[], axes: readonly PlacedAxis[]): readonly Placed[] => {
  const counts = new Map<string, number>();
  return diagnostics.map((diagnostic) => {
    const { code, span } = diagnostic;
    const axis = axes.find(({ spans }) => spans.some((each) => isWithin(span, each))) ?? null;
    const place = `${code} ${axis ? axis.name : `${span.file} ${span.start} ${span.end}`}`;
    const count = counts.get(place) ?? 0;
    counts.set(place, count + 1);
    return { key: `${place} ${count}`, diagnostic, axis };
  });
};

/** What one check has found, and the axes whose values it depends on. */
interface Checked {
  readonly choice: Choice;
  readonly read: ReadonlySet<number>;
  readonly found: readonly Placed[];
}

interface Runs {
  readonly runs: readonly SweptRun[];
  /** Runs that each of these stands for: they differ in what no check reads. */
  readonly times: number;
  /** Whether these are all runs of the sweep. */
  readonly isWhole: boolean;
}

/** A run that differs from a checked one only in what its check has not read has the same findings. */
const lookAt = (
  input: TrainingInput,
  axes: readonly PlacedAxis[],
  check: (input: TrainingInput) => void,
): Runs => {
  const done: Checked[] = [];
  let [checks, scanned] = [0, 0];
  // A param may be read only where another has a certain value, an attribute anywhere.
  const attributes = axes.flatMap(({ name }, index) => (name.includes('.') ? [index] : []));
  const live = new Set(attributes);
  const checkOne = (choice: Choice): Checked => {
    const own: Diagnostic[] = [];
    const read = new Set(attributes);
    const isFirst = checks === 0;
    checks += 1;
    const watch = {
      read: (name: string) => {
        const index = axes.findIndex((axis) => axis.name === name);
        if (index >= 0) read.add(index);
      },
      scanned: () => {
        if (!isFirst) scanned += 1;
      },
    };
    check({ ...inputAt(input, axes, choice), watch, report: (diagnostic) => void own.push(diagnostic) });
    const one = { choice, read, found: placed(own, axes) };
    done.push(one);
    for (const index of read) live.add(index);
    return one;
  };
  checkOne(axes.map(() => 0));
  for (;;) {
    const before = live.size;
    const choices = choicesOf(axes, live);
    const runs: SweptRun[] = [];
    for (const choice of choices) {
      const known = done.find((each) =>
        [...each.read].every((index) => each.choice[index] === choice[index]),
      );
      if (!known && (checks >= mostChecks || scanned > mostScanned)) continue;
      runs.push({ choice, found: (known ?? checkOne(choice)).found });
      if (live.size > before) break;
    }
    if (live.size > before) continue;
    const all = countOf(axes.filter((_, index) => live.has(index)));
    return { runs, times: countOf(axes) / all, isWhole: runs.length === all };
  }
};

/** Checks the runs of a sweep; without axes, the one run. */
export const checkRuns = (
  input: TrainingInput,
  swept: readonly PlacedAxis[],
  check: (input: TrainingInput) => void,
): void => {
  // A seed changes no number that is known before the run.
  const axes = swept.filter(({ name }) => name !== 'trainer.seed');
  if (axes.length === 0) {
    check(input);
    return;
  }
  const looked = lookAt(input, axes, check);
  for (const key of new Set(looked.runs.flatMap(({ found }) => found.map((each) => each.key))))
    for (const diagnostic of ofKey(key, looked, axes)) input.report(diagnostic);
};

/** What is said of a finding that some runs of a sweep share. */
const ofKey = (
  key: string,
  { runs, times, isWhole }: Runs,
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
  const [some, whole] = [having.length * times, countOf(axes)];
  const count = !isWhole
    ? `${having.length} of the ${counted(runs.length, 'run')} that ${runs.length === 1 ? 'was' : 'were'} looked at ${having.length === 1 ? 'has' : 'have'} this; the sweep has ${whole}`
    : everywhere
      ? 'every run of the sweep has this'
      : `${some} of the ${whole} runs of the sweep ${some === 1 ? 'has' : 'have'} this`;
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
