import { describe, expect, test } from 'vitest';
import type { Diagnostic } from '../../src/parser/diagnostic.js';
import { diagnosticToJson, renderDiagnostic } from '../../src/parser/render.js';
import { createSource, type Span } from '../../src/parser/source.js';

const line17 = '    |> dense(7 * 7 * 64) as project |> reshape([n, 7, 7, 128])';
const dcgan = createSource(0, 'specs/dcgan.ztrain', `${'\n'.repeat(16)}${line17}\n`);
const blocks = createSource(
  1,
  'specs/blocks.ztrain',
  '// blocks\n\nblock Up(n: int)\n\n\n\tconst wide = "日本" + x\n',
);

const at = (
  file: { readonly id: number; readonly text: string },
  part: string,
  length = part.length,
): Span => {
  const start = file.text.indexOf(part);
  return { file: file.id, start, end: start + length };
};

const reshape: Diagnostic = {
  code: 'ZT3103',
  severity: 'error',
  message: 'reshape changes the number of values',
  span: at(dcgan, 'reshape([n, 7, 7, 128])'),
  label: 'n * 6272',
  related: [{ span: at(dcgan, 'dense(7 * 7 * 64)'), label: 'n * 3136' }],
  notes: ['`n` is the same on both sides; 7 * 7 * 64 is 3136, 7 * 7 * 128 is 6272'],
  help: 'write `dense(7 * 7 * 128)`',
  fix: { title: 'write `dense(7 * 7 * 128)`', edits: [{ span: at(dcgan, '64'), text: '128' }] },
};

const render = (diagnostic: Diagnostic): string =>
  renderDiagnostic(diagnostic, [dcgan, blocks], { color: false });

describe('text', () => {
  test('a mark, a related mark, a note and a help', () => {
    expect(`\n${render(reshape)}\n`).toBe(`
error[ZT3103]: reshape changes the number of values
   ┌ specs/dcgan.ztrain:17:40
17 │     |> dense(7 * 7 * 64) as project |> reshape([n, 7, 7, 128])
   │        ----------------- n * 3136      ^^^^^^^^^^^^^^^^^^^^^^^ n * 6272
   = note: \`n\` is the same on both sides; 7 * 7 * 64 is 3136, 7 * 7 * 128 is 6272
   = help: write \`dense(7 * 7 * 128)\`          more: ztrainc explain ZT3103
`);
  });

  test('other lines and other files', () => {
    const diagnostic: Diagnostic = {
      code: 'ZT2001',
      severity: 'warning',
      message: 'something else',
      span: at(blocks, 'wide'),
      related: [
        { span: at(blocks, 'Up'), label: 'declared here' },
        { span: at(dcgan, 'dense'), label: 'used here' },
      ],
    };
    expect(`\n${render(diagnostic)}\n`).toBe(`
warning[ZT2001]: something else
   ┌ specs/blocks.ztrain:6:8
 3 │ block Up(n: int)
   │       -- declared here
   ┆
 6 │   const wide = "日本" + x
   │         ^^^^
   ┌ specs/dcgan.ztrain:17:8
17 │     |> dense(7 * 7 * 64) as project |> reshape([n, 7, 7, 128])
   │        ----- used here
   = more: ztrainc explain ZT2001
`);
  });

  test('wide letters count for two columns', () => {
    const marked = render({ ...reshape, span: at(blocks, 'x\n', 1), label: '', related: [], notes: [] });
    const rows = marked.split('\n');
    expect(rows[2]).toBe('6 │   const wide = "日本" + x');
    expect(rows[3]).toBe(`  │   ${' '.repeat('const wide = "1234" + '.length)}^`);
  });

  test('labels that would run into the next mark get a line of their own', () => {
    const marked = render({
      ...reshape,
      related: [{ span: at(dcgan, 'dense'), label: 'a label of many words that goes on' }],
    });
    const rows = marked.split('\n').slice(3, 5);
    expect(rows[0]).toContain('----- a label of many words');
    expect(rows[1]).toContain('^^^ n * 6272');
  });

  test('a long line is cut around its mark', () => {
    const long = createSource(0, 'long.ztrain', `const x = "${'a'.repeat(500)}" + y + "${'b'.repeat(500)}"`);
    const rows = renderDiagnostic({ ...reshape, span: at(long, 'y'), related: [], notes: [] }, [long], {
      color: false,
    }).split('\n');
    expect(rows[2]?.length).toBeLessThan(160);
    const column = rows[3]?.indexOf('^') ?? -1;
    expect(rows[2]?.[column]).toBe('y');
  });

  test('an empty span at the end of the file has a mark', () => {
    const file = createSource(0, 'short.ztrain', 'const x =');
    const rows = renderDiagnostic(
      { ...reshape, span: { file: 0, start: 9, end: 9 }, related: [], notes: [], label: '' },
      [file],
      { color: false },
    ).split('\n');
    expect(rows[3]).toBe('  │          ^');
  });

  test('a file that is not there leaves the message', () => {
    expect(renderDiagnostic({ ...reshape, related: [] }, [], { color: false })).toContain(
      'error[ZT3103]: reshape changes',
    );
  });

  test('colour changes no letter', () => {
    const painted = renderDiagnostic(reshape, [dcgan], { color: true });
    expect(painted).toContain('\u001B[');
    expect(painted.replace(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g'), '')).toBe(
      render(reshape),
    );
  });
});

test('JSON has places by line and column', () => {
  expect(diagnosticToJson(reshape, [dcgan])).toEqual({
    code: 'ZT3103',
    severity: 'error',
    message: 'reshape changes the number of values',
    file: 'specs/dcgan.ztrain',
    range: { start: { line: 17, column: 40 }, end: { line: 17, column: 63 } },
    notes: reshape.notes,
    related: [
      {
        label: 'n * 3136',
        file: 'specs/dcgan.ztrain',
        range: { start: { line: 17, column: 8 }, end: { line: 17, column: 25 } },
      },
    ],
    help: 'write `dense(7 * 7 * 128)`',
    fix: {
      title: 'write `dense(7 * 7 * 128)`',
      edits: [
        {
          text: '128',
          file: 'specs/dcgan.ztrain',
          range: { start: { line: 17, column: 22 }, end: { line: 17, column: 24 } },
        },
      ],
    },
  });
});
