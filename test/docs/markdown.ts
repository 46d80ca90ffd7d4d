/** Fenced blocks of the project's markdown pages, with what their info strings say. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Block {
  readonly language: string;
  /** `with=classifier error=ZT3103` as a map. */
  readonly options: ReadonlyMap<string, string>;
  readonly text: string;
  /** Of the opening fence, from 1. */
  readonly line: number;
}

const pagesIn = (folder: string): readonly string[] =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));

/** Every page but the registry of diagnostics, whose examples have a test of their own. */
export const pages: readonly string[] = [
  ...['README.md', 'CONTRIBUTING.md'].filter((name) => existsSync(join(root, name))),
  ...['docs', 'grammar', 'templates', 'specs'].flatMap(pagesIn),
]
  .filter((page) => page !== 'grammar/diagnostics.md')
  .sort();

export const readPage = (page: string): string => readFileSync(join(root, page), 'utf8');

export const blocksOf = (text: string): readonly Block[] => {
  const blocks: Block[] = [];
  let open: { readonly fence: string; readonly info: string; readonly line: number } | null = null;
  let body: string[] = [];
  text.split('\n').forEach((line, index) => {
    const fence = /^(`{3,}|~{3,})(.*)$/.exec(line);
    if (open === null) {
      if (fence === null) return;
      open = { fence: fence[1] ?? '', info: fence[2]?.trim() ?? '', line: index + 1 };
      body = [];
    } else if (line === open.fence) {
      const [language = '', ...words] = open.info.split(/\s+/);
      const options = words.map((word): [string, string] => {
        const at = word.indexOf('=');
        return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)];
      });
      blocks.push({
        language,
        options: new Map(options),
        text: `${body.join('\n')}\n`,
        line: open.line,
      });
      open = null;
    } else body.push(line);
  });
  if (open !== null) throw new Error('a fence is never closed');
  return blocks;
};
