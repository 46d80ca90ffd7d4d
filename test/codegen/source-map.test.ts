import { TraceMap, originalPositionFor } from '@jridgewell/trace-mapping';
import { expect, test } from 'vitest';
import type { IrStmt } from '../../src/checker/ir.js';
import { emit } from '../../src/codegen/emit.js';
import { type Span, createSource, positionAt } from '../../src/parser/source.js';
import { gan } from './examples.js';

const placeOf = (text: string, part: string): { readonly line: number; readonly column: number } => {
  const at = positionAt(createSource(0, 'x', text), text.indexOf(part));
  return { line: at.line, column: at.column - 1 };
};

test('a place in the output leads to the line of the spec', async () => {
  const ir = gan();
  const { trainer } = ir;
  const main = ir.modules[1];
  if (trainer === null || main === undefined) throw new Error('the example has a trainer and two modules');
  const words = ['model Generator', 'let h', 'opt_d', 'every critics.steps', 'image_grid'];
  const text = words.map((word) => `${word}\n`).join('');
  const spanOf = (word: string): Span => {
    const start = text.indexOf(word);
    return { file: 1, start, end: start + word.length };
  };
  const [generator, ...others] = main.classes;
  if (generator === undefined) throw new Error('the example has models');
  const moveLet = (statement: IrStmt): IrStmt =>
    statement.kind === 'let' ? { ...statement, span: spanOf('let h') } : statement;
  const [files] = [
    await emit(
      {
        ...ir,
        modules: [
          ...ir.modules.slice(0, 1),
          {
            ...main,
            text,
            classes: [
              { ...generator, span: spanOf('model Generator'), body: generator.body.map(moveLet) },
              ...others,
            ],
          },
        ],
        trainer: {
          ...trainer,
          optimizers: trainer.optimizers.map((each) => ({ ...each, span: spanOf('opt_d') })),
          steps: trainer.steps.map((step) => ({
            ...step,
            body: step.body.map((each) =>
              each.kind === 'every' ? { ...each, span: spanOf('every critics.steps') } : each,
            ),
          })),
          addons: trainer.addons.map((each) => ({ ...each, span: spanOf('image_grid') })),
        },
      },
      { compilerVersion: '0.1.0' },
    ),
  ];
  const file = files[1];
  if (file === undefined) throw new Error('two files are emitted');
  const map = new TraceMap(file.map);
  const lineOf = (part: string) => {
    const found = originalPositionFor(map, placeOf(file.text, part));
    return { source: found.source, line: found.line };
  };
  const source = '../gan.ztrain';
  expect(lineOf('export class Generator')).toEqual({ source, line: 1 });
  expect(lineOf('const h =')).toEqual({ source, line: 2 });
  expect(lineOf('opt_d: optim')).toEqual({ source, line: 3 });
  expect(lineOf('if (this.every(')).toEqual({ source, line: 4 });
  expect(lineOf('every(')).toEqual({ source, line: 4 });
  expect(lineOf('addons.imageGrid(')).toEqual({ source, line: 5 });
  expect(map.sourcesContent).toContain(text);
});

test('every node with a span has its place in the text', async () => {
  const files = await emit(gan(), { compilerVersion: '0.1.0' });
  const counts = files.map((file) => new TraceMap(file.map).sources.length);
  expect(counts).toEqual([1, 1]);
});
