/** What `--help` and `--version` print. */
import { showValue } from '../values/overrides.js';
import { showType } from '../values/options.js';
import { columnsOf, indented, termLines, wrapWords } from '../values/words.js';
import { engineNames } from './engine/choose.js';
import { paramType } from './trainer/params.js';
import type { ParamSpec, TrainerOptions, TrainerSpec } from './trainer/spec.js';

/** How each command is called, as a reader would type it. */
export type Program = (command: 'train' | 'test' | 'predict') => string;

/** How help is set. */
export interface HelpLayout {
  /** How each command is called; by the executable's name unless given. */
  readonly program?: Program | undefined;
  /** The executable's name. */
  readonly called?: string | undefined;
  /** Columns of the terminal: words go over to the next line there. Infinity, what is not given, for a file or a pipe. */
  readonly columns?: number | undefined;
}

/** Columns of the options' names. */
const optionWidth = 17;

/** `--help`: the doc comments, defaults and limits of the spec. */
export function helpText(
  spec: TrainerSpec<never>,
  { program, called = spec.name, columns: width = Number.POSITIVE_INFINITY }: HelpLayout = {},
): string {
  const [train, test, predict] = program
    ? [program('train'), program('test'), program('predict')]
    : [`${called} [train]`, `${called} test`, `${called} predict`];
  const usages = [train, `${test} --from RUN`, `${predict} --from RUN`];
  const meanings = ['train', 'measure trained weights', 'write a row of output for each row of input'];
  const termWidth = Math.max(...usages.map((usage) => usage.length));
  const uses = usages.flatMap((usage, at) =>
    usageLines(usage, meanings[at] ?? '', at === 0, termWidth, width),
  );
  const params = spec.params.flatMap((param) => {
    const doc = [param.doc, limits(param)].filter((text) => text !== '').join(' ');
    return [
      ...wrapWords(`  ${param.name}=${defaultText(param)}`, width, 4),
      ...(doc === '' ? [] : indented(doc, width, 6)),
    ];
  });
  const options: readonly (readonly [string, string])[] = [
    ['--run-dir DIR', 'the run’s folder (runs/<trainer>/<time>)'],
    ['--data-root DIR', `where relative data paths start (${program ? 'the spec’s' : 'the current'} folder)`],
    [
      '--resume PATH',
      'goes on with a run: its folder, one of its checkpoints, or auto, the newest that was left; none begins anew',
    ],
    ['--allow NAMES', 'what may have changed since, as lr,epochs'],
    ['--from PATH', 'a run’s folder (its best checkpoint, else the last) or a checkpoint'],
    ['--engine NAME', engineNames.join(', ')],
    ['--devices NAME', 'auto, cpu, gpu or gpu:N'],
    ['--force-precision', 'bf16 or f16 also where TensorFlow has no units for it on the device'],
    ['--dev-run [N]', 'N steps (3) and validation batches, nothing is written'],
    ...(spec.sweep === undefined
      ? []
      : [['--no-sweep', 'one run, with the values given here and the defaults'] as const]),
    ['--json', 'print metrics or rows as JSON'],
    ['--help, --version', ''],
  ];
  return [
    ...(spec.doc === undefined || spec.doc === ''
      ? []
      : [...spec.doc.split('\n').flatMap((line) => wrapWords(line, width, 0)), '']),
    ...uses,
    '',
    ...(params.length === 0 ? [] : ['params:', ...params, '']),
    ...wrapWords(
      `attributes: ${lengthExample(spec)}, checkpoint.keep=5, an optimizer’s lr, a data set’s batch, …`,
      width,
    ),
    '',
    'options:',
    ...options.flatMap(([term, text]) => termLines(term, text, { termWidth: optionWidth, gap: 1, width })),
    '',
  ].join('\n');
}

/** How a command is called and what it does: in a line, or what it does below where that is too long. */
function usageLines(
  usage: string,
  meaning: string,
  isFirst: boolean,
  termWidth: number,
  width: number,
): readonly string[] {
  const lead = isFirst ? 'usage: ' : ' '.repeat(7);
  const whole = `${lead}${usage.padEnd(termWidth)}   ${meaning}`;
  if (columnsOf(whole) <= width) return [whole];
  return [...wrapWords(`${lead}${usage}`, width, 9), ...indented(meaning, width, 9)];
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
