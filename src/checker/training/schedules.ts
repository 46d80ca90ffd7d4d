/** ZT4202: the phases of a schedule fit into the run. */
import {
  missingArgument,
  nothingLeft,
  partWithoutEnd,
  phaseTooShort,
  restNotLast,
  scheduleTooLong,
  wrongType,
} from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { durationInSteps, type Pace } from '../../values/durations.js';
import { showQuantity, type Duration } from '../../values/units.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr, IrSchedule, IrTrainer } from '../ir.js';
import { counted } from '../../values/counted.js';
import { freezeTimes, optionOf, type TrainingInput } from './input.js';
import { lengthOf } from './lengths.js';
import { lengthNotes, type Run } from './run.js';

/** Lengths that can be added up: in steps where an epoch's length is known, else in the run's own unit. */
export interface Scale {
  readonly one: string;
  readonly total: number;
  /** Before rounding. */
  readonly lengthOf: (duration: Duration) => number | null;
  readonly whole: boolean;
}

export const scaleOf = (run: Run): Scale | null => {
  const { pace, epochs, steps, accumulate } = run;
  if (pace) {
    const { totalSteps } = pace;
    if (totalSteps === null) return null;
    return {
      one: 'step',
      total: totalSteps,
      lengthOf: (duration) => durationInSteps(duration, pace),
      whole: true,
    };
  }
  const byUnit = (one: string, total: number, units: readonly Duration['unit'][]): Scale => {
    const whole: Pace = {
      stepsPerEpoch: 1,
      accumulate: accumulate ?? 1,
      rowsPerEpoch: 1,
      totalSteps: total,
    };
    return {
      one,
      total,
      lengthOf: (duration) => (units.includes(duration.unit) ? durationInSteps(duration, whole) : null),
      whole: false,
    };
  };
  if (typeof steps === 'number' && epochs === null) {
    return byUnit(
      'step',
      steps,
      accumulate === undefined ? ['steps', 'percent'] : ['steps', 'percent', 'batches'],
    );
  }
  if (typeof epochs === 'number' && steps === null) return byUnit('epoch', epochs, ['epochs', 'percent']);
  return null;
};

// Sums such as 0.1 + 0.2 epochs come out a little above what is written.
const slack = 1e-9;

const checkSchedule = (input: TrainingInput, run: Run, scale: Scale | null, schedule: IrSchedule): void => {
  const { name, phases } = schedule;
  let length: number | null = 0;
  let exact = 0;
  const lengths: string[] = [];
  const related: { readonly span: Span; readonly label: string }[] = [];
  for (const [index, phase] of phases.entries()) {
    const over = optionOf(phase.options, 'over');
    const last = index === phases.length - 1;
    if (over?.kind === 'rest') {
      if (!last) {
        const next = phases[index + 1];
        input.report(
          restNotLast(
            over.span,
            { name },
            {
              related: next ? [{ span: next.span, label: 'would never begin' }] : [],
              help: `give \`${phase.kind}\` a length, or move it to the end`,
            },
          ),
        );
        return;
      }
      if (length === null || !scale || length < scale.total - slack) return;
      input.report(
        nothingLeft(
          over.span,
          { name },
          {
            related,
            notes: [
              `the phases before take ${counted(length, scale.one)} of the run's ${scale.total.toLocaleString('en-US')}`,
              ...lengthNotes(run),
            ],
            help: 'shorten the phases before, or lengthen the run',
          },
        ),
      );
      return;
    }
    const duration = over && scale ? lengthOf(over, run) : null;
    const plain: number | null = duration && scale ? scale.lengthOf(duration) : null;
    if (plain === null || length === null || !scale) {
      length = null;
      continue;
    }
    exact += plain;
    // As the run itself lays phases out: ends in whole steps.
    const own: number = scale.whole ? Math.round(exact) - length : plain;
    if (over && own <= 0) {
      // Parts of a step are told of as such.
      if (over.kind === 'quantity' && over.unit === 'steps') return;
      const written = duration ? showQuantity(duration) : '';
      input.report(
        phaseTooShort(
          over.span,
          { name, phase: phase.kind, length: written },
          {
            notes: [`${written} is ${Number(plain.toPrecision(3))} steps, rounded to 0`, ...lengthNotes(run)],
            help: 'give it at least a step, or leave the phase out',
          },
        ),
      );
      return;
    }
    length += own;
    lengths.push(`${own.toLocaleString('en-US')}`);
    if (over) related.push({ span: over.span, label: counted(own, scale.one) });
  }
  if (length === null || !scale || length <= scale.total + slack) return;
  const end = phases.at(-1);
  const main = end ? (optionOf(end.options, 'over')?.span ?? end.span) : schedule.span;
  input.report(
    scheduleTooLong(
      main,
      { name, length: counted(length, scale.one), run: scale.total.toLocaleString('en-US') },
      {
        related: related.slice(0, -1),
        notes: [
          ...(lengths.length > 1 ? [`its phases take ${lengths.join(' + ')}`] : []),
          ...lengthNotes(run),
        ],
        help: phases.length > 1 ? 'shorten a phase, or end with `over = rest`' : 'write `over = rest`',
      },
    ),
  );
};

/** Whether a time is one: above 0, and whole where it is counted in steps. */
export const isLength = (expr: IrExpr, length: number): boolean =>
  length > 0 && (expr.kind !== 'quantity' || expr.unit !== 'steps' || Number.isInteger(length));

/** What each phase starts from and ends at, and how long it is, as far as that is known; what a run would refuse. */
export const checkPhases = (input: TrainingInput, run: Run): void => {
  for (const { phases } of input.trainer.schedules) {
    // Null: nothing was there before; undefined: it is not known here.
    let before: number | null | undefined = null;
    for (const { kind, options, span, extern } of phases) {
      for (const name of extern ? ['over'] : ['over', 'every']) {
        const given = optionOf(options, name);
        const length = given?.kind === 'quantity' ? evaluateIr(given, run.names) : undefined;
        if (!given || typeof length !== 'number' || isLength(given, length)) continue;
        input.report(
          wrongType(given.span, {
            what: `\`${name}\` of \`${kind}\``,
            found: `${length}`,
            expected: length > 0 ? 'a whole number of steps' : 'more than 0',
          }),
        );
      }
      const numberOf = (name: string): number | null | undefined => {
        const given = optionOf(options, name);
        if (!given) return null;
        const value = evaluateIr(given, run.names);
        return typeof value === 'number' || value === null ? value : undefined;
      };
      if (kind === 'constant' && !extern) {
        before = numberOf('value');
        continue;
      }
      if (extern ? !extern.starts : kind === 'one_cycle') {
        before = undefined;
        continue;
      }
      const own = numberOf('from');
      const from: number | null | undefined = own !== null ? own : kind === 'warmup' && !extern ? 0 : before;
      const to = numberOf('to');
      if (from === null) {
        input.report(
          missingArgument(
            span,
            { owner: kind, kind: 'argument', name: 'from' },
            {
              notes: ['the first phase has nothing before it to start from'],
              help: 'write `from = …`, or begin with `warmup` or `constant`',
            },
          ),
        );
      } else if (kind === 'exponential' && !extern && from !== undefined && from <= 0) {
        input.report(
          wrongType(
            optionOf(options, 'from')?.span ?? span,
            { what: 'the start of `exponential`', found: `${from}`, expected: 'more than 0' },
            { help: 'equal ratios never leave 0: write `linear` or `cosine`, or `from = …`' },
          ),
        );
      }
      before = extern || kind === 'step' || kind === 'plateau' ? undefined : to;
    }
  }
};

/** A length that is a part of the run's: `rest`, or a percentage. */
const partNamed = (expr: IrExpr | null): string | null =>
  expr?.kind === 'rest'
    ? '`rest`'
    : expr?.kind === 'quantity' && expr.unit === 'percent'
      ? 'a percentage'
      : null;

/** Lengths of phases, freezes and averages that are parts of the run's, and whose they are. */
const partsOfRun = ({
  schedules,
  optimizers,
  models,
}: IrTrainer): readonly { readonly given: IrExpr; readonly length: string; readonly owner: string }[] => {
  const part = (given: IrExpr | null, owner: string, length = partNamed(given)) =>
    given && length !== null ? [{ given, length, owner }] : [];
  // What is frozen for the rest of the run never thaws, however long that is.
  const share = (given: IrExpr | null, owner: string) => (given?.kind === 'rest' ? [] : part(given, owner));
  return [
    ...schedules.flatMap(({ name, phases }) =>
      phases.flatMap(({ options }) =>
        ['over', 'every'].flatMap((option) => part(optionOf(options, option), `schedule \`${name}\``)),
      ),
    ),
    ...optimizers.flatMap(({ options, groups }) =>
      [options, ...groups.map((group) => group.options)].flatMap((each) =>
        freezeTimes(optionOf(each, 'freeze')).flatMap((time) => share(time, '`freeze`')),
      ),
    ),
    ...models.flatMap(({ name, copy }) =>
      copy ? share(optionOf(copy.options, 'from'), `\`${copy.kind}\` of \`${name}\``) : [],
    ),
  ];
};

/** ZT4202: `rest` and percentages are parts of a length, which a run that only `max_time` ends does not have. */
const checkPartsOfNoEnd = ({ trainer, report }: TrainingInput): void => {
  for (const { given, length, owner } of partsOfRun(trainer)) {
    report(
      partWithoutEnd(
        given.span,
        { length, owner },
        {
          help: `give ${owner.startsWith('schedule') ? 'the phase a length' : 'a time'} in steps or epochs, or the run \`epochs\` or \`steps\` besides \`max_time\``,
        },
      ),
    );
  }
};

export const checkSchedules = (input: TrainingInput, run: Run): void => {
  if (run.epochs === null && run.steps === null) {
    if (run.maxTime !== null) checkPartsOfNoEnd(input);
    return;
  }
  const scale = scaleOf(run);
  for (const schedule of input.trainer.schedules) checkSchedule(input, run, scale, schedule);
};
