/** What optimizers, schedule phases, layers and metrics in TypeScript declare: their options, and what stands behind them. */
import type { ConfigEntry, ExternItem, Item } from '../parser/ast.js';
import { duplicateKey, unknownAttribute, wrongKind, wrongType } from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Env } from './env.js';
import { isOptionalOption, optionType } from './extern-addons.js';
import type { IrOption } from './ir.js';

/** An option as TypeScript gets it. Reports a type that no option has. */
export const declaredOption = (env: Env, param: Item): IrOption => ({
  name: param.name.text,
  doc: param.doc,
  origin: 'declared',
  type: optionType(env, param.type, 'plain'),
  value: isOptionalOption(param.type)
    ? { kind: 'literal', value: null, span: param.span, type: { kind: 'none' } }
    : null,
});

/** What a key behind a declaration takes: names in a list, a record of tensors, or `true`. */
type Kind = 'names' | 'record' | 'bool';

const isName = (text: string): boolean => /^[A-Za-z_]\w*$/.test(text);

/** The names in a list of texts, each once; null where it is none. */
const namesIn = (entry: ConfigEntry): readonly string[] | null => {
  if (entry.kind !== 'attribute' || entry.value.kind !== 'list') return null;
  const names = entry.value.items.flatMap((item) =>
    item.kind === 'string' && isName(item.value) ? [item.value] : [],
  );
  return names.length === entry.value.items.length && new Set(names).size === names.length ? names : null;
};

const expected: Readonly<Record<Kind, readonly [string, (key: string) => string]>> = {
  names: ['a list of names, each once', (key) => `write \`${key} = ["m", "v"]\``],
  record: ['a record of tensors', (key) => `write \`${key} = { weight: f32[inputs] }\``],
  bool: ['`true` or `false`', (key) => `write \`${key} = true\``],
};

/**
 * Reads what stands behind a declaration, of which `keys` says what there may be, and reports everything else: also a signature
 * or a result where the kind has none.
 */
export const readDeclared = (
  env: Env,
  item: ExternItem,
  keys: Readonly<Record<string, Kind>>,
  parts: readonly ('signature' | 'result')[] = [],
): Readonly<Record<string, readonly string[]>> => {
  const { name, signature, result } = item;
  for (const [part, found, written] of [
    ['signature', 'declared with `on … -> …`', signature],
    ['result', 'declared with a result', result],
  ] as const) {
    if (written && !parts.includes(part))
      env.checker.report(
        wrongKind(
          written.span,
          { name: name.text, found, expected: `an extern ${item.what} without` },
          { help: 'leave it out' },
        ),
      );
  }
  const lists: Record<string, readonly string[]> = {};
  const seen = new Set<string>();
  for (const entry of item.config?.entries ?? []) {
    if (entry.kind !== 'attribute') {
      const found = `a ${entry.kind}`;
      const own = entry.kind === 'map' ? 'map' : entry.name.text;
      env.checker.report(wrongKind(entry.span, { name: own, found, expected: 'an attribute' }));
      continue;
    }
    const key = entry.name.text;
    const kind = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (kind === undefined) {
      const near = nearest(key, Object.keys(keys), 1)[0];
      const all = Object.keys(keys).map((each) => `\`${each}\``);
      const help =
        near !== undefined
          ? `write \`${near}\``
          : all.length === 0
            ? `an extern ${item.what} declares nothing there`
            : `an extern ${item.what} declares ${all.join(', ')}`;
      env.checker.report(
        unknownAttribute(entry.name.span, { kind: 'attribute', name: key, owner: name.text }, { help }),
      );
      continue;
    }
    if (seen.has(key)) env.checker.report(duplicateKey(entry.name.span, { name: key }));
    seen.add(key);
    const names = kind === 'names' ? namesIn(entry) : null;
    if (names) lists[key] = names;
    const fits = kind === 'names' ? names !== null : entry.value.kind === kind;
    if (fits) continue;
    const [what, help] = expected[kind];
    env.checker.report(
      wrongType(
        entry.value.span,
        { what: `\`${key}\` of \`${name.text}\``, found: 'something else', expected: what },
        { help: help(key) },
      ),
    );
  }
  return lists;
};
