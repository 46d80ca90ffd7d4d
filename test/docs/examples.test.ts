/**
 * Every spec in every page is compiled. The info string of a block says how:
 *   ```ztrain                     a whole file without errors
 *   ```ztrain with=classifier     after test/docs/preambles/classifier.ztrain, or where that has `// the example`
 *   ```ztrain file=blocks.ztrain  a file that the page's other blocks import
 *   ```ztrain error=ZT3103        gives this code and no other error; `warning=` likewise
 * A block of text after one with `error=` or `warning=` that starts with the message is the rendered message.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost, type Host } from '../../src/checker/host.js';
import { renderDiagnostic } from '../../src/parser/render.js';
import { blocksOf, pages, readPage, root, type Block } from './markdown.js';

const known = ['with', 'error', 'warning', 'file', 'as'];
const place = '// the example';

const wholeText = (block: Block): string => {
  const name = block.options.get('with');
  if (name === undefined) return block.text;
  const preamble = readFileSync(join(root, 'test/docs/preambles', `${name}.ztrain`), 'utf8');
  return preamble.includes(place) ? preamble.replace(place, () => block.text) : `${preamble}\n${block.text}`;
};

/** Files beside the examples: what a page gives itself, TypeScript, and the blocks that all specs share. */
const hostFor = (blocks: readonly Block[], path: string, text: string): Host => {
  const files = blocks.flatMap((block): [string, string][] => {
    const name = block.options.get('file');
    return name === undefined ? [] : [[`/project/${name}`, block.text]];
  });
  const host = memoryHost({
    '/project/blocks.ztrain': readFileSync(join(root, 'specs/blocks.ztrain'), 'utf8'),
    ...Object.fromEntries(files),
    [path]: text,
  });
  return { ...host, exists: (file) => file.endsWith('.ts') || host.exists(file) };
};

const checkBlock = (blocks: readonly Block[], block: Block) => {
  const path = `/project/${block.options.get('as') ?? block.options.get('file') ?? 'example.ztrain'}`;
  const checked = checkProgram(path, hostFor(blocks, path, wholeText(block)));
  const files = checked.files.map((file) => ({ ...file, path: file.path.replace('/project/', '') }));
  return {
    diagnostics: checked.diagnostics,
    rendered: checked.diagnostics.map((each) => renderDiagnostic(each, files, { color: false })),
  };
};

describe.each(pages.map((page) => [page, blocksOf(readPage(page))] as const))('%s', (page, blocks) => {
  const specs = blocks.filter(({ language }) => language === 'ztrain');
  test.each(specs.map((block) => [block.line, block] as const))('line %i compiles as it says', (_, block) => {
    expect([...block.options.keys()].filter((name) => !known.includes(name))).toEqual([]);
    const { diagnostics, rendered } = checkBlock(blocks, block);
    const codesOf = (severity: string): readonly string[] => [
      ...new Set(diagnostics.filter((each) => each.severity === severity).map((each) => each.code)),
    ];
    const error = block.options.get('error');
    const warning = block.options.get('warning');
    expect(codesOf('error'), rendered.join('\n')).toEqual(error === undefined ? [] : [error]);
    // An excerpt leaves things unused.
    const warnings = codesOf('warning').filter((code) => code !== 'ZT5002' || code === warning);
    expect(warnings, rendered.join('\n')).toEqual(warning === undefined ? [] : [warning]);
    const next = blocks[blocks.indexOf(block) + 1];
    if (next?.language !== 'text' || (error ?? warning) === undefined) return;
    if (/^(error|warning)\[/.test(next.text)) expect(`${rendered.join('\n\n')}\n`).toBe(next.text);
  });
  test('has no link to a file that is not there', () => {
    const links = [...readPage(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].flatMap((match) =>
      /^[a-z]+:/.test(match[1] ?? '') ? [] : [match[1] ?? ''],
    );
    const missing = links.filter((link) => {
      try {
        readFileSync(join(root, page, '..', link));
        return false;
      } catch (error) {
        return !(error instanceof Error && 'code' in error && error.code === 'EISDIR');
      }
    });
    expect(missing).toEqual([]);
  });
});
