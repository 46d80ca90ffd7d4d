/** ZT5017: files that data sets of the run read, where the compiler was asked to look for them. */
import { fileNotThere } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr } from '../ir.js';
import { walkIr } from '../ir-walk.js';
import { optionOf, type TrainingInput } from './input.js';
import type { Run } from './run.js';

/** Options of the prelude's sources that name what is read. What an extern does with its paths is its own. */
const sources: ReadonlyMap<string, readonly (readonly [option: string, what: string])[]> = new Map([
  ['csv', [['file', 'file']]],
  ['jsonl', [['file', 'file']]],
  ['npy', [['file', 'file']]],
  ['npz', [['file', 'file']]],
  [
    'idx',
    [
      ['images', 'file'],
      ['labels', 'file'],
    ],
  ],
  ['image_folder', [['root', 'folder']]],
  ['fashion_mnist', [['root', 'folder']]],
]);

const isNamed = (each: unknown): each is { readonly name: string; readonly value: IrExpr } =>
  typeof each === 'object' && each !== null && 'name' in each && 'value' in each;

export const checkDataFiles = (input: TrainingInput, { names }: Run): void => {
  const { trainer, report, isThere } = input;
  if (isThere === undefined) return;
  const look = (given: IrExpr | null, what: string): void => {
    const path = given === null ? undefined : evaluateIr(given, names);
    if (given === null || typeof path !== 'string' || isThere(path)) return;
    const span: Span = given.span;
    report(
      fileNotThere(
        span,
        { what, path },
        { help: 'relative paths start in the folder of the spec, or where `--data-root` says' },
      ),
    );
  };
  const read = new Set(trainer.steps.flatMap((step) => step.inputs.map(({ data }) => data)));
  for (const data of trainer.data) {
    if (!read.has(data.name)) continue;
    if (data.source.kind === 'prelude')
      for (const [option, what] of sources.get(data.source.name) ?? [])
        look(optionOf(data.arguments, option), what);
    walkIr(data.maps, ({ kind, name, options }) => {
      if (kind !== 'op' || name !== 'lookup' || !Array.isArray(options)) return;
      look(options.filter(isNamed).find((each) => each.name === 'file')?.value ?? null, 'file of words');
    });
  }
};
