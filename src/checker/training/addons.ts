/** ZT4201, ZT4206 and ZT4211: monitors name metrics that a step emits, each effect has one owner, and a run goes on from whole state. */
import { addonTwice, effectOwnedTwice, unknownMetric, weightsGoOn } from '../../parser/messages.gen.js';
import { nearest } from '../../parser/nearest.js';
import { partOf } from '../../values/limits.js';
import { monitorName } from '../../values/monitor-name.js';
import { evaluateIr } from '../evaluate.js';
import type { IrAddon, IrExpr, IrTrainer } from '../ir.js';
import { listed, optionOf, type TrainingInput } from './input.js';
import { lengthNotes, type Run } from './run.js';
import { neverText, visitTimed } from './timetable.js';
import { visitStatements } from './walk.js';

/** By its own `clip`, which may be `none`, or else by the trainer's. */
const isClippedByNorm = ({ optimizers, options }: IrTrainer, name: string): boolean => {
  const own = optimizers.find((each) => each.name === name)?.options ?? [];
  const clip = optionOf(own, 'clip') ?? optionOf(options, 'clip');
  return clip?.kind === 'clip' && clip.how === 'norm';
};

/** What the run logs of an update: without a prefix where there is one optimizer. */
const updateNames = (
  { trainer }: Pick<TrainingInput, 'trainer'>,
  updated: readonly { readonly name: string }[],
): readonly string[] => {
  const alone = trainer.optimizers.length === 1;
  const optimizers = updated.map((each) => each.name);
  // The norm is computed where gradients are clipped by it, and logged there alone.
  const clipped = optimizers.filter((each) => isClippedByNorm(trainer, each));
  return [
    alone ? 'loss' : [...optimizers, 'loss'].join('_'),
    ...clipped.map((each) => (alone ? 'grad_norm' : `${each}_grad_norm`)),
  ];
};

/** Metrics that the steps emit, by their full names. */
export const metricNames = ({ trainer }: Pick<TrainingInput, 'trainer'>): readonly string[] => {
  const names: string[] = [];
  for (const step of trainer.steps) {
    names.push(
      ...step.metrics.flatMap(({ name, table }) => (table === true ? [] : [`${step.name}.${name}`])),
    );
    if (step.stage !== 'train') continue;
    // The run adds these for each update.
    visitStatements(step.body, (statement) => {
      if (statement.kind !== 'update') return;
      names.push(...updateNames({ trainer }, statement.optimizers).map((name) => `${step.name}.${name}`));
    });
  }
  return [...new Set(names)];
};

/** A metric's name without its step. */
const ownName = (metric: string): string => metric.slice(metric.indexOf('.') + 1);

const suggestions = (wanted: string, names: readonly string[]): readonly string[] => {
  const own = ownName(wanted);
  const near = nearest(wanted, names);
  if (near.length > 0) return near.slice(0, 1);
  const same = names.filter((name) => ownName(name) === own);
  return (same.length > 0 ? same : names.filter((name) => nearest(own, [ownName(name)]).length > 0)).slice(
    0,
    3,
  );
};

/** Metrics that no step of the run comes to, and why: a branch that these params do not take, or a time that the run does not have. */
const untakenMetrics = (input: TrainingInput, run: Run): ReadonlyMap<string, string> => {
  const untaken = new Map<string, string>();
  for (const step of input.trainer.steps) {
    // A metric that stands in several places has to be reached in one of them.
    const reached = new Set<string>();
    const missed = new Map<string, string>();
    visitTimed(step.body, (statement, occasions) => {
      const logged =
        statement.kind === 'log'
          ? [statement.name]
          : statement.kind === 'update'
            ? updateNames(input, statement.optimizers)
            : [];
      const isOff = occasions.some(
        (each) => each.kind === 'if' && evaluateIr(each.test, run.names) === !each.holds,
      );
      const never = isOff ? null : neverText(step, occasions, run);
      for (const name of logged) {
        if (isOff) missed.set(name, `stands in a branch that is not taken with these params`);
        else if (never !== null) missed.set(name, `is measured ${never}`);
        else reached.add(name);
      }
    });
    for (const name of [...step.metrics.map((each) => each.name), ...missed.keys()]) {
      // One statement may log several figures: `f1` has `f1.class_0`, ….
      const isOf = (each: string): boolean => name === each || name.startsWith(`${each}.`);
      const why = [...missed].find(([each]) => isOf(each))?.[1];
      if (why !== undefined && ![...reached].some(isOf)) untaken.set(`${step.name}.${name}`, why);
    }
  }
  return untaken;
};

/** Names of steps that a limit of no batches turns off. */
export const stepsOff = ({ trainer }: TrainingInput, { taken }: Run): ReadonlySet<string> =>
  new Set(
    trainer.steps.flatMap(({ stage, name }) => {
      const { part } = partOf(stage, taken);
      return part?.unit === 'batches' && part.value === 0 ? [name] : [];
    }),
  );

/** Whether a name is of the train step. */
const isOfTrain = ({ trainer }: TrainingInput, metric: string): boolean =>
  trainer.steps.some(({ stage, name }) => stage === 'train' && metric.startsWith(`${name}.`));

export const checkMonitors = (input: TrainingInput, run: Run): void => {
  const off = stepsOff(input, run);
  const names = metricNames(input);
  const untaken = untakenMetrics(input, run);
  // Metrics of test and predict steps exist only after the run.
  const late = new Set(
    input.trainer.steps
      .filter((step) => step.stage === 'test' || step.stage === 'predict')
      .map((step) => step.name),
  );
  const stepOf = (name: string): string => name.slice(0, name.indexOf('.'));
  const usable = names.filter(
    (name) => !late.has(stepOf(name)) && !off.has(stepOf(name)) && !untaken.has(name),
  );
  const watching = [
    ...input.trainer.addons.map(({ options }) => ({ options, what: 'an add-on' })),
    ...input.trainer.schedules.flatMap(({ phases }) =>
      phases.map(({ options }) => ({ options, what: 'a schedule' })),
    ),
  ];
  const tables = new Set(
    input.trainer.steps.flatMap((step) =>
      step.metrics.flatMap(({ name, table }) => (table === true ? [`${step.name}.${name}`] : [])),
    ),
  );
  for (const { options, what } of watching) {
    for (const value of options.flatMap((option) =>
      option.value.kind === 'items' ? option.value.items : [option.value],
    )) {
      if (value.kind !== 'monitor' || usable.includes(value.metric)) continue;
      const near = suggestions(value.metric, usable);
      const [best, ...others] = near;
      const named = (metric: string): string => monitorName({ mode: value.mode, metric });
      const why = untaken.get(value.metric);
      const notes =
        why !== undefined
          ? [`\`${value.metric}\` ${why}`, ...(why.startsWith('is measured') ? lengthNotes(run) : [])]
          : /grad_norm$/.test(value.metric) && isOfTrain(input, value.metric)
            ? [
                'the norm of gradients is logged where they are clipped by it: `clip = norm(…)` of the optimizer',
              ]
            : off.has(stepOf(value.metric)) && names.includes(value.metric)
              ? [`\`limit\` turns the step of \`${value.metric}\` off: it is never measured`]
              : names.includes(value.metric)
                ? [`\`${value.metric}\` is measured after the run, which is too late for ${what}`]
                : tables.has(value.metric)
                  ? [`\`${value.metric}\` is a table, and no one number that could be watched`]
                  : [];
      input.report(
        unknownMetric(
          value.span,
          { name: value.metric },
          {
            notes,
            help:
              best === undefined
                ? usable.length > 0
                  ? `the metrics are ${listed(usable)}`
                  : 'write `metric name = …` into a `validate` step'
                : others.length === 0
                  ? `write \`${named(best)}\``
                  : `the nearest are ${listed(near)}`,
            ...(best !== undefined && others.length === 0
              ? {
                  fix: {
                    title: `write \`${named(best)}\``,
                    edits: [{ span: value.span, text: named(best) }],
                  },
                }
              : {}),
          },
        ),
      );
    }
  }
};

/** What an add-on owns, as messages say it. */
const effects: ReadonlyMap<string, string> = new Map([
  ['checkpoint', 'the checkpoints'],
  ['stop', 'the decision to stop'],
  ['predictions', 'the file of predictions'],
  ['sweep', 'the sweep'],
]);

export const checkAddonEffects = ({ trainer, report }: TrainingInput): void => {
  const labels = new Map<string, IrAddon>();
  const owners = new Map<string, IrAddon>();
  for (const addon of trainer.addons) {
    const { many, owns: owned } = addon;
    const effect = many ? undefined : owned.find((each) => owners.has(each));
    const owner = effect === undefined ? undefined : owners.get(effect);
    const same = labels.get(addon.label);
    if (effect !== undefined && owner) {
      const named = (each: IrAddon): string =>
        each.label === each.name ? `\`${each.name}\`` : `\`${each.name} as ${each.label}\``;
      const alike = owner.label === addon.label;
      report(
        effectOwnedTwice(
          addon.span,
          {
            first: alike ? `one \`${owner.name}\`` : named(owner),
            second: alike ? 'another' : named(addon),
            effect: effects.get(effect) ?? `\`${effect}\``,
          },
          {
            related: [{ span: owner.span, label: 'the first' }],
            help: 'join their attributes in one add-on',
          },
        ),
      );
    } else if (same) {
      report(
        addonTwice(
          addon.span,
          { name: addon.label },
          {
            related: [{ span: same.span, label: 'the first' }],
            help: many
              ? `give this one a name: \`addon ${addon.name} as other { … }\``
              : 'join their attributes in one add-on',
          },
        ),
      );
    }
    if (!labels.has(addon.label)) labels.set(addon.label, addon);
    for (const each of owned) if (!owners.has(each)) owners.set(each, addon);
  }
};

/** A run goes on from checkpoints with all of its state. */
export const checkCheckpoints = ({ trainer, report }: TrainingInput): void => {
  for (const { name, module, options } of trainer.addons) {
    if (module !== null || name !== 'checkpoint') continue;
    const valueOf = (key: string): IrExpr | undefined => options.find((option) => option.name === key)?.value;
    const [alone, resume] = [valueOf('weights_only'), valueOf('resume')];
    if (alone?.kind !== 'literal' || alone.value !== true || resume === undefined) continue;
    if (resume.kind === 'literal' && resume.value === null) continue;
    report(
      weightsGoOn(resume.span, {
        related: [{ span: alone.span, label: 'this leaves out what optimizers keep' }],
        help: 'leave one of the two out',
      }),
    );
  }
};
