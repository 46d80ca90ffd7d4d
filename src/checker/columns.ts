/** The columns of a CSV file against the record that is read from it: of the spec alone, and of the file where it is there. */
import { columnTwice, missingColumn, unknownField, wrongSize } from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { asConstant } from './dims/size.js';
import type { Env, FileScope } from './env.js';
import { folderOf, joinPath } from './host.js';
import { product } from './operators.js';
import type { RecordType } from './types.js';
import type { Value } from './value.js';
import { likelyDelimiter } from '../values/delimiters.js';

export interface ColumnSource {
  /** `csv` */
  readonly name: string;
  /** All attributes, defaults filled in. */
  readonly all: ReadonlyMap<string, Value>;
  readonly row: RecordType['fields'];
  /** Where the source is named. */
  readonly span: Span;
}

const textsOf = (given: Value): readonly string[] | null => {
  const items = given.items ?? [given];
  const texts = items.flatMap((item) => (typeof item.constant === 'string' ? [item.constant] : []));
  return texts.length === items.length ? texts : null;
};

const sizeOfField = ({ type }: RecordType['fields'][number]): number | null => {
  const of = type.kind === 'missing' ? type.of : type;
  return of.kind === 'tensor' || of.kind === 'text' ? asConstant(product(of.shape)) : null;
};

const wrongCount = (env: Env, span: Span, name: string, found: number, expected: number): void =>
  env.checker.report(
    wrongSize(span, {
      what: `the number of columns of \`${name}\``,
      found: `${found}`,
      expected: `${expected}`,
    }),
  );

/** `columns = { x: ["a", "b"] }`: fields that the record has, and as many columns as each has values. */
const checkChoices = (env: Env, { name: source, all, row }: ColumnSource): boolean => {
  let fine = true;
  for (const [name, given] of all.get('columns')?.fields ?? []) {
    const field = row.find((each) => each.name === name);
    if (!field) {
      const near = nearest(
        name,
        row.map((each) => each.name),
      );
      const help = near[0] ? { help: `write \`${near[0]}\`` } : {};
      env.checker.report(unknownField(given.span, { name, owner: `the rows of \`${source}\`` }, help));
      fine = false;
      continue;
    }
    const texts = textsOf(given);
    const count = sizeOfField(field);
    // How many columns a pattern stands for is the file's to say.
    if (!texts || count === null || texts.some((text) => text.includes('*')) || texts.length === count)
      continue;
    wrongCount(env, given.span, name, texts.length, count);
    fine = false;
  }
  return fine;
};

/** The cells of a header line, or null where the text has no whole one. */
const headerOf = (head: string, delimiter: string): readonly string[] | null => {
  const cells: string[] = [];
  let cell = '';
  let quoted = false;
  const text = head.replace(/^\uFEFF/, '');
  for (let at = 0; at < text.length; at += 1) {
    const letter = text.charAt(at);
    if (quoted && letter === '"' && text.charAt(at + 1) === '"') {
      cell += '"';
      at += 1;
    } else if (letter === '"') quoted = !quoted;
    else if (quoted) cell += letter;
    else if (letter === delimiter) {
      cells.push(cell.trim());
      cell = '';
    } else if (letter === '\n') return [...cells, cell.trim()];
    else cell += letter;
  }
  return null;
};

const matches = (pattern: string, name: string): boolean => {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(name);
};

/** Holds the header of the file, where it is there, against what is read from it. */
const checkHeader = (env: Env, file: FileScope, { all, row, span }: ColumnSource): void => {
  const path = all.get('file');
  const delimiter = all.get('delimiter')?.constant;
  if (typeof path?.constant !== 'string' || typeof delimiter !== 'string') return;
  const head = env.checker.readHead(joinPath(folderOf(file.file.source.path), path.constant));
  const names = head === null ? null : headerOf(head, delimiter);
  if (!names) return;
  const own = path.span.file === span.file ? path.span : span;
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    env.checker.report(
      columnTwice(own, { file: path.constant, column: twice }, { help: 'rename one of them' }),
    );
    return;
  }
  for (const field of row) {
    const given = all.get('columns')?.fields?.get(field.name);
    const wanted = given ? textsOf(given) : [field.name];
    const count = sizeOfField(field);
    if (!wanted || field.type.kind === 'unknown') continue;
    const found = wanted.map((column) =>
      names.includes(column)
        ? 1
        : column.includes('*')
          ? names.filter((name) => matches(column, name)).length
          : 0,
    );
    const missing = wanted[found.indexOf(0)];
    const at = given?.span ?? own;
    if (missing !== undefined) {
      const near = nearest(missing, names);
      const likely = likelyDelimiter(names, delimiter);
      const listed = names.slice(0, 12).map((name) => `\`${name}\``);
      env.checker.report(
        missingColumn(
          at,
          { file: path.constant, column: missing },
          {
            notes: [
              `it has ${listed.join(', ')}${names.length > listed.length ? `, … (${names.length})` : ''}`,
            ],
            help:
              likely !== null
                ? `the separator seems to be ${JSON.stringify(likely)}: write \`delimiter = ${JSON.stringify(likely)}\``
                : near[0]
                  ? `write \`columns = { ${field.name}: "${near[0]}" }\`, if that is meant`
                  : `say where the values are: \`columns = { ${field.name}: … }\`; another delimiter than \`${delimiter}\` is \`delimiter\``,
          },
        ),
      );
      return;
    }
    const total = found.reduce((sum, one) => sum + one, 0);
    if (count !== null && total !== count) wrongCount(env, at, field.name, total, count);
  }
};

export const checkColumns = (env: Env, file: FileScope, source: ColumnSource): void => {
  if (checkChoices(env, source) && source.name === 'csv') checkHeader(env, file, source);
};
