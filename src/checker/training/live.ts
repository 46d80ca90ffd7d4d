/** ZT4221 and ZT4222: what the run asks of live data, which has no rows beforehand and no end. */
import { endlessEpoch, notForLive } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { partOf } from '../../values/limits.js';
import { showQuantity } from '../../values/units.js';
import type { IrData, IrExpr, IrNamed, IrStep, IrTrainer } from '../ir.js';
import { walkIr } from '../ir-walk.js';
import { optionOf, type TrainingInput } from './input.js';
import { builtinLength, limitFields, type Run } from './run.js';

const isLiveSet = (trainer: IrTrainer, name: string): boolean =>
  trainer.data.some((data: IrData) => data.name === name && data.source.live === true);

/** Whether all that a step reads is live. */
const isEndless = (trainer: IrTrainer, step: IrStep): boolean =>
  step.inputs.length > 0 && step.inputs.every(({ data }) => isLiveSet(trainer, data));

/** The live data set whose epoch has no end; null where the train step has epochs. */
export const endlessData = (trainer: IrTrainer): string | null => {
  const train = trainer.steps.find(({ stage }) => stage === 'train');
  return train && isEndless(trainer, train) ? (train.inputs[0]?.data ?? null) : null;
};

export const checkLive = (input: TrainingInput, run: Run): void => {
  if (!input.trainer.data.some(({ source }) => source.live === true)) return;
  checkSteps(input, run);
  checkShared(input);
  checkFirstRows(input);
  checkOptions(input);
  const data = endlessData(input.trainer);
  if (data !== null) checkEpochs(input, data);
};

/** Steps that read all of their data, and evaluations of which nobody says how long they are. */
const checkSteps = ({ trainer, report }: TrainingInput, { taken }: Run): void => {
  for (const step of trainer.steps) {
    const { stage } = step;
    const live = step.inputs.find(({ data }) => isLiveSet(trainer, data));
    if (live === undefined || stage === 'train') continue;
    const args = { what: `\`step ${step.name}\``, data: live.data };
    if (stage === 'predict' || stage === 'measure') {
      report(
        notForLive(live.span, args, {
          notes: [
            stage === 'predict'
              ? 'a prediction has a row for each row of its data'
              : 'a figure is one of all rows of its data',
          ],
          help: 'read another data set here',
        }),
      );
      continue;
    }
    if (!isEndless(trainer, step) || partOf(stage, taken).part?.unit === 'batches') continue;
    report(
      notForLive(live.span, args, {
        notes: ['a pass over live data has no end of its own'],
        help: `say how many batches it takes: \`limit = { ${stage}: 10.batches }\` in the trainer`,
      }),
    );
  }
};

/** An evaluation begins its source anew, training goes on with it. */
const checkShared = ({ trainer, report }: TrainingInput): void => {
  const trained = trainer.steps.filter(({ stage }) => stage === 'train').flatMap(({ inputs }) => inputs);
  for (const step of trainer.steps) {
    if (step.stage !== 'validate' && step.stage !== 'test') continue;
    for (const own of step.inputs) {
      const other = trained.find(({ data }) => data === own.data);
      if (!other || !isLiveSet(trainer, own.data)) continue;
      report(
        notForLive(
          own.span,
          { what: `\`step ${step.name}\` of what is trained on`, data: own.data },
          {
            related: [{ span: other.span, label: 'trained on here' }],
            notes: ['an evaluation begins the source anew, training goes on with it'],
            help: `give it a data set of its own: \`data watch = ${own.data} { }\``,
          },
        ),
      );
    }
  }
};

const checkFirstRows = ({ trainer, report }: TrainingInput): void => {
  for (const { options } of trainer.addons)
    for (const { value } of options)
      for (const { span, data } of value.kind === 'thunk' ? (value.reads ?? []) : [])
        if (isLiveSet(trainer, data))
          report(notForLive(span, { what: '`first`', data }, { help: 'show rows of another data set' }));
};

const checkOptions = ({ trainer, report }: TrainingInput): void => {
  const overfit = optionOf(trainer.options, 'overfit');
  const reads = trainer.steps
    .filter(({ stage }) => stage === 'train' || stage === 'validate')
    .flatMap(({ inputs }) => inputs)
    .find(({ data }) => isLiveSet(trainer, data));
  if (overfit && reads)
    report(
      notForLive(
        overfit.span,
        { what: '`overfit`', data: reads.data },
        { notes: ['it trains on the same batches again and again'], help: 'leave it out' },
      ),
    );
};

/** Lengths and intervals in epochs, or in parts of one. */
const checkEpochs = (input: TrainingInput, data: string): void => {
  const { trainer, report } = input;
  const tell = (span: Span, what: string, help: string): void =>
    report(endlessEpoch(span, { what, data }, { help }));
  const named: readonly (readonly [string, IrExpr | null, string])[] = [
    ['epochs', optionOf(trainer.options, 'epochs'), 'write `steps = 1_000` or `max_time = 2.hours`'],
    ['min_epochs', optionOf(trainer.options, 'min_epochs'), 'write `min_steps = 100`'],
    ['reload_data', optionOf(trainer.options, 'reload_data'), 'leave it out'],
    [
      'limit.train',
      limitFields(input).find(({ name }) => name === 'train')?.value ?? null,
      'leave it out: the run has as many steps as `steps` says',
    ],
  ];
  for (const [name, value, help] of named) if (value) tell(value.span, `\`${name}\``, help);
  const defaults = (
    what: 'addon' | 'model',
    name: string,
    { options, span }: { readonly options: readonly IrNamed[]; readonly span: Span },
  ): void => {
    for (const { name: param } of input.prelude.find(what, name)?.params ?? []) {
      if (optionOf(options, param.text)) continue;
      const length = builtinLength(input, what, name, param.text);
      if (length?.unit === 'epochs')
        tell(
          span,
          `\`${param.text} = ${showQuantity(length)}\`, the default of \`${name}\`,`,
          `write \`${param.text} = 100.steps\``,
        );
    }
  };
  for (const addon of trainer.addons) if (addon.module === null) defaults('addon', addon.name, addon);
  for (const { copy } of trainer.models) if (copy) defaults('model', copy.kind, copy);
  const told = new Set<string>();
  walkIr([trainer.steps, trainer.addons, trainer.schedules, trainer.optimizers, trainer.models], (node) => {
    const { kind, unit, ref, span } = node;
    const isPart = kind === 'quantity' && (unit === 'epochs' || unit === 'samples');
    const isClock = kind === 'ref' && isEpoch(ref);
    if ((!isPart && !isClock) || !isSpan(span) || told.has(`${span.file} ${span.start}`)) return;
    told.add(`${span.file} ${span.start}`);
    if (isPart) tell(span, 'this length', 'write it in steps: `100.steps`');
    else tell(span, '`run.epoch`', 'ask `run.step`');
  });
};

const isEpoch = (ref: unknown): boolean =>
  typeof ref === 'object' &&
  ref !== null &&
  'kind' in ref &&
  ref.kind === 'run' &&
  'name' in ref &&
  ref.name === 'epoch';

const isSpan = (span: unknown): span is Span => typeof span === 'object' && span !== null && 'start' in span;
