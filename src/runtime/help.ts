/** What `--help` and `--version` print. */
import { showValue } from '../values/overrides.js';
import { showType } from '../values/options.js';
import { engineNames } from './engine/choose.js';
import { paramType } from './trainer/params.js';
import type { ParamSpec, TrainerOptions, TrainerSpec } from './trainer/spec.js';

/** How each command is called, as a reader would type it. */
export type Program = (command: 'train' | 'test' | 'predict') => string;

/** `--help`: the doc comments, defaults and limits of the spec. */
export function helpText(spec: TrainerSpec<never>, program?: Program, called = spec.name): string {
  const [train, test, predict] = program
    ? [program('train'), program('test'), program('predict')]
    : [`${called} [train]`, `${called} test`, `${called} predict`];
  const usages = [train, `${test} --from RUN`, `${predict} --from RUN`];
  const width = Math.max(...usages.map((usage) => usage.length));
  const [training = '', testing = '', predicting = ''] = usages.map((usage) => usage.padEnd(width));
  const params = spec.params.flatMap((param) => {
    const doc = [param.doc, limits(param)].filter((text) => text !== '').join(' ');
    return [`  ${param.name}=${defaultText(param)}`, ...(doc === '' ? [] : [`      ${doc}`])];
  });
  return [
    ...(spec.doc === undefined || spec.doc === '' ? [] : [spec.doc, '']),
    `usage: ${training}   train`,
    `       ${testing}   measure trained weights`,
    `       ${predicting}   write a row of output for each row of input`,
    '',
    ...(params.length === 0 ? [] : ['params:', ...params, '']),
    `attributes: ${lengthExample(spec)}, checkpoint.keep=5, an optimizer’s lr, a data set’s batch, …`,
    '',
    'options:',
    '  --run-dir DIR     the run’s folder (runs/<trainer>/<time>)',
    `  --data-root DIR   where relative data paths start (${program ? 'the spec’s' : 'the current'} folder)`,
    '  --resume PATH     goes on with a run: its folder, one of its checkpoints, or auto, the newest that was left; none begins anew',
    '  --allow NAMES     what may have changed since, as lr,epochs',
    '  --from PATH       a run’s folder (its best checkpoint, else the last) or a checkpoint',
    `  --engine NAME     ${engineNames.join(', ')}`,
    '  --devices NAME    auto, cpu, gpu or gpu:N',
    '  --force-precision bf16 or f16 also where TensorFlow has no units for it on the device',
    '  --dev-run [N]     N steps (3) and validation batches, nothing is written',
    ...(spec.sweep === undefined
      ? []
      : ['  --no-sweep        one run, with the values given here and the defaults']),
    '  --json            print metrics or rows as JSON',
    '  --help, --version',
    '',
  ].join('\n');
}

/** What of the run's length can be set: a run whose spec has no epochs may have none, as on live data. */
function lengthExample({ options, params }: TrainerSpec<never>): string {
  const { epochs = null, steps = null, maxTime = null } = defaultOptions(options, params);
  if (epochs !== null || (steps === null && maxTime === null))
    return 'trainer.epochs=2, trainer.limit.train=10.percent';
  return steps === null ? 'trainer.max_time=10.minutes' : 'trainer.steps=100';
}

function defaultOptions(
  options: TrainerSpec<never>['options'] = {},
  params: readonly ParamSpec<never>[],
): TrainerOptions {
  if (typeof options !== 'function') return options;
  const defaults: object = Object.fromEntries(params.map((param) => [param.key, param.default]));
  try {
    return Reflect.apply(options, null, [defaults]);
  } catch {
    // A param without a default: what is made of it is not known.
    return {};
  }
}

function defaultText(param: ParamSpec<never>): string {
  if (param.default === undefined) return `… (required: ${showType(paramType(param))})`;
  return typeof param.default === 'string' ? param.default : showValue(param.default);
}

function limits(param: ParamSpec<never>): string {
  const type = showType(paramType(param));
  return `(${type}${param.where === null ? '' : `, ${param.where.text}`})`;
}

export function versionText(spec: TrainerSpec<never>): string {
  return `${spec.name} (${spec.trainer}), built by ztrainc ${spec.compiler ?? '?'}, spec sha256 ${spec.sha256 ?? '?'}, node ${process.version}\n`;
}
