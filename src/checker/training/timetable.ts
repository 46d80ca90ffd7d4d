/** ZT4201, ZT4213 and ZT5020: when the statements of a step run, as far as the run's length is known, and what never does. */
import { idleOption, neverRuns } from '../../parser/messages.gen.js';
import { dueAt, durationInSteps, nextDue } from '../../values/durations.js';
import { showQuantity, type Duration } from '../../values/units.js';
import { evaluateIr } from '../evaluate.js';
import { readsRun } from '../ir-walk.js';
import type { IrExpr, IrStep, IrStepStmt } from '../ir.js';
import { counted } from '../../values/counted.js';
import { listed, type TrainingInput } from './input.js';
import { lengthNotes, type Run } from './run.js';
import { lengthOf } from './lengths.js';

/** What must hold where a statement runs: an interval has ended, a branch is taken. */
export type Occasion =
  | { readonly kind: 'every'; readonly interval: IrExpr }
  | { readonly kind: 'if'; readonly test: IrExpr; readonly holds: boolean };

/** Every statement that is no block itself, with what must hold for it, from the outside in. */
export const visitTimed = (
  statements: readonly IrStepStmt[],
  visit: (statement: IrStepStmt, occasions: readonly Occasion[]) => void,
  occasions: readonly Occasion[] = [],
): void => {
  for (const statement of statements) {
    visit(statement, occasions);
    if (statement.kind === 'every')
      visitTimed(statement.body, visit, [...occasions, { kind: 'every', interval: statement.interval }]);
    else if (statement.kind === 'if') {
      const { test } = statement;
      visitTimed(statement.then, visit, [...occasions, { kind: 'if', test, holds: true }]);
      visitTimed(statement.else, visit, [...occasions, { kind: 'if', test, holds: false }]);
    } else if (statement.kind === 'for' || statement.kind === 'update')
      visitTimed(statement.body, visit, occasions);
  }
};

/** Whether a step returns rows of output. */
export const returnsRows = ({ body }: IrStep): boolean => {
  let found = false;
  visitTimed(body, ({ kind }) => {
    found ||= kind === 'return';
  });
  return found;
};

// A longer run is not gone through step by step.
export const mostSteps = 200_000;

// Runs of a sweep are checked one after the other, and mostly have the same passes.
const recent = new Map<string, readonly number[]>();
const mostRecent = 16;

/** Steps done at the end of each interval of a run; what was not measured at the end is measured then. */
const validationsOf = (total: number, interval: number): readonly number[] => {
  const key = `${total} ${interval}`;
  const known = recent.get(key);
  if (known) return known;
  const passes: number[] = [];
  for (let done = nextDue(0, interval); done < total; done = nextDue(done, interval)) passes.push(done);
  if (total > 0) passes.push(total);
  const [oldest] = recent.keys();
  if (recent.size >= mostRecent && oldest !== undefined) recent.delete(oldest);
  recent.set(key, passes);
  return passes;
};

/** Steps done when a pass of a step begins, for each pass of the run; null where that is not known. */
export const passesOf = (step: IrStep, run: Run): readonly number[] | null => {
  const { pace } = run;
  const total = pace?.totalSteps ?? null;
  if (pace === null || total === null || total > mostSteps) return null;
  if (step.stage === 'train') return Array.from({ length: total }, (_, index) => index);
  if (step.stage !== 'validate') return null;
  const every: Duration | null =
    step.every === null ? { unit: 'epochs', value: 1 } : lengthOf(step.every, run);
  return every === null ? null : validationsOf(total, durationInSteps(every, pace));
};

/** How many passes that are, without a list of those of training. */
const countOfPasses = (step: IrStep, run: Run): number | null => {
  const total = run.pace?.totalSteps ?? null;
  if (step.stage !== 'train') return passesOf(step, run)?.length ?? null;
  return total === null || total > mostSteps ? null : total;
};

/** Steps done when a pass begins in which all of it holds; null where that is not known before the run. */
export const doneWhere = (
  step: IrStep,
  occasions: readonly Occasion[],
  run: Run,
): readonly number[] | null => {
  const { pace, names } = run;
  const passes = passesOf(step, run);
  if (pace === null || passes === null) return null;
  let left: readonly number[] = passes;
  for (const occasion of occasions) {
    if (occasion.kind === 'every') {
      const every = lengthOf(occasion.interval, run);
      if (every === null) return null;
      const interval = durationInSteps(every, pace);
      left = left.filter((done) => dueAt(done + 1, interval));
      continue;
    }
    const { test, holds } = occasion;
    const answerAt = (done: number): boolean | undefined => {
      const clock = { step: done, epoch: Math.floor(done / pace.stepsPerEpoch) };
      const answer = evaluateIr(test, { ...names, clock });
      return typeof answer === 'boolean' ? answer : undefined;
    };
    const answers = left.map((done) => ({ done, answer: answerAt(done) }));
    if (answers.some(({ answer }) => answer === undefined)) return null;
    left = answers.flatMap(({ done, answer }) => (answer === holds ? [done] : []));
  }
  return left;
};

/** Without the choices that params alone make: another value of theirs takes the other branch. */
const ofClock = (occasions: readonly Occasion[]): readonly Occasion[] =>
  occasions.filter((each) => each.kind === 'every' || readsRun(each.test));

/** Whether all of it holds in no pass of the run; false also where that is not known. */
const isNever = (step: IrStep, occasions: readonly Occasion[], run: Run): boolean => {
  const { pace, names } = run;
  const total = pace?.totalSteps ?? null;
  if (pace === null || total === null || countOfPasses(step, run) === null) return false;
  const intervals: number[] = [];
  const tests: Extract<Occasion, { kind: 'if' }>[] = [];
  for (const occasion of occasions) {
    if (occasion.kind === 'if') tests.push(occasion);
    else {
      const every = lengthOf(occasion.interval, run);
      if (every === null) return false;
      intervals.push(durationInSteps(every, pace));
    }
  }
  const isPass = (done: number): boolean | undefined => {
    if (!intervals.every((interval) => dueAt(done + 1, interval))) return false;
    const clock = { step: done, epoch: Math.floor(done / pace.stepsPerEpoch) };
    for (const { test, holds } of tests) {
      run.watch?.scanned();
      const answer = evaluateIr(test, { ...names, clock });
      if (typeof answer !== 'boolean') return undefined;
      if (answer !== holds) return false;
    }
    return true;
  };
  if (step.stage !== 'train') return (passesOf(step, run) ?? []).every((done) => isPass(done) === false);
  // What is due most rarely is gone through.
  const longest = Math.max(0, ...intervals);
  const next = (done: number): number => (longest > 1 ? nextDue(done, longest) : done + 1);
  for (let done = next(0); done <= total; done = next(done)) if (isPass(done - 1) !== false) return false;
  return true;
};

/** `0 times in 135 steps`; null where it runs, or where that is not known. */
export const neverText = (step: IrStep, occasions: readonly Occasion[], run: Run): string | null => {
  const of = countOfPasses(step, run) ?? 0;
  if (of === 0 || !isNever(step, ofClock(occasions), run)) return null;
  return `0 times in ${counted(of, step.stage === 'train' ? 'step' : 'validation')}`;
};

/** Updates and blocks that no step of the run comes to. */
export const checkNeverRuns = (input: TrainingInput, run: Run): void => {
  for (const step of input.trainer.steps) {
    const told = new Set<IrStepStmt>();
    visitTimed(step.body, (statement, occasions) => {
      if (statement.kind !== 'update') return;
      const times = neverText(step, occasions, run);
      if (times === null) return;
      told.add(statement);
      input.report(
        neverRuns(
          statement.span,
          { name: listed(statement.optimizers.map(({ name }) => name)), times },
          {
            notes: lengthNotes(run),
            help: 'shorten the interval or move the condition, lengthen the run, or take the update out',
          },
        ),
      );
    });
    visitTimed(step.body, (statement, occasions) => {
      if (statement.kind !== 'every') return;
      const own = [...occasions, { kind: 'every' as const, interval: statement.interval }];
      // An update in it was told of, and so was the block around it.
      if (neverText(step, occasions, run) !== null || holdsAny(statement, told)) return;
      const times = neverText(step, own, run);
      const every = lengthOf(statement.interval, run);
      if (times === null || every === null) return;
      input.report(
        idleOption(
          statement.interval.span,
          { option: `every ${showQuantity(every)}`, reason: `its block runs ${times}` },
          { notes: lengthNotes(run), help: 'shorten the interval, lengthen the run, or take the block out' },
        ),
      );
    });
  }
};

const holdsAny = (statement: IrStepStmt, told: ReadonlySet<IrStepStmt>): boolean => {
  let found = false;
  visitTimed([statement], (each) => {
    found ||= told.has(each);
  });
  return found;
};
