/**
 * What Chevrotain does not check: where a token that starts an optional or repeated part may also stand behind it, the
 * parser always takes it for the part. No statement may start with what continues an expression.
 */
import type { ISerializedGast } from 'chevrotain';
import { expect, test } from 'vitest';
import { SpecParser } from '../../src/parser/grammar.js';
import * as T from '../../src/parser/tokens.js';

type Words = Set<string>;

interface Part {
  readonly kind: string;
  readonly word: string;
  readonly parts: readonly Part[];
  readonly separator: string | null;
}

const textIn = (value: object, key: string): string => {
  const found: unknown = Reflect.get(value, key);
  return typeof found === 'string' ? found : '';
};

const read = (gast: ISerializedGast): Part => {
  const inner: unknown = Reflect.get(gast, 'definition');
  const separator: unknown = Reflect.get(gast, 'separator');
  const isPart = (value: unknown): value is ISerializedGast => typeof value === 'object' && value !== null;
  return {
    kind: gast.type,
    word: textIn(gast, 'name'),
    parts: Array.isArray(inner) ? inner.filter(isPart).map(read) : [],
    separator: typeof separator === 'object' && separator !== null ? textIn(separator, 'name') : null,
  };
};

const rules = new Map(
  new SpecParser(true).getSerializedGastProductions().map((rule) => [textIn(rule, 'name'), read(rule)]),
);
const first = new Map<string, Words>([...rules.keys()].map((name) => [name, new Set()]));
const follow = new Map<string, Words>([...rules.keys()].map((name) => [name, new Set()]));
const empty = new Set<string>();

const firstOf = (parts: readonly Part[]): { readonly words: Words; readonly mayBeEmpty: boolean } => {
  const words: Words = new Set();
  for (const part of parts) {
    const one = firstOfOne(part);
    for (const word of one.words) words.add(word);
    if (!one.mayBeEmpty) return { words, mayBeEmpty: false };
  }
  return { words, mayBeEmpty: true };
};

const firstOfOne = (part: Part): { readonly words: Words; readonly mayBeEmpty: boolean } => {
  switch (part.kind) {
    case 'Terminal':
      return { words: new Set([part.word]), mayBeEmpty: false };
    case 'NonTerminal':
      return { words: first.get(part.word) ?? new Set(), mayBeEmpty: empty.has(part.word) };
    case 'Alternation': {
      const all = part.parts.map((each) => firstOf(each.parts));
      return {
        words: new Set(all.flatMap(({ words }) => [...words])),
        mayBeEmpty: all.some((each) => each.mayBeEmpty),
      };
    }
    case 'Option':
    case 'Repetition':
    case 'RepetitionWithSeparator':
      return { ...firstOf(part.parts), mayBeEmpty: true };
    default:
      return firstOf(part.parts);
  }
};

const grow = (into: Words | undefined, words: Iterable<string>): boolean => {
  const before = into?.size ?? 0;
  for (const word of words) into?.add(word);
  return (into?.size ?? 0) > before;
};

/** Visits each part with the tokens that may stand behind it. */
const walk = (parts: readonly Part[], after: Words, visit: (part: Part, after: Words) => void): void => {
  parts.forEach((part, index) => {
    const rest = firstOf(parts.slice(index + 1));
    const behind: Words = new Set([...rest.words, ...(rest.mayBeEmpty ? after : [])]);
    visit(part, behind);
    if (part.kind === 'Alternation') for (const each of part.parts) walk(each.parts, behind, visit);
    else if (part.kind.startsWith('Repetition')) {
      const again = part.separator === null ? firstOf(part.parts).words : [part.separator];
      walk(part.parts, new Set([...behind, ...again]), visit);
    } else if (part.kind === 'Option') walk(part.parts, behind, visit);
  });
};

const untilStable = (step: () => boolean): void => {
  while (step()) continue;
};

const soft = new Set([...T.declarationWords, ...T.statementWords].map(({ name }) => name));
const clash = (a: string, b: string): boolean =>
  a === b || (a === 'Identifier' && soft.has(b)) || (b === 'Identifier' && soft.has(a));

test('one token decides, but in two places', () => {
  untilStable(() => {
    let changed = false;
    for (const [name, rule] of rules) {
      const { words, mayBeEmpty } = firstOf(rule.parts);
      changed = grow(first.get(name), words) || changed;
      if (mayBeEmpty && !empty.has(name)) {
        empty.add(name);
        changed = true;
      }
    }
    return changed;
  });
  untilStable(() => {
    let changed = false;
    for (const [name, rule] of rules) {
      walk(rule.parts, follow.get(name) ?? new Set(), (part, after) => {
        if (part.kind === 'NonTerminal') changed = grow(follow.get(part.word), after) || changed;
      });
    }
    return changed;
  });
  const clashes: string[] = [];
  for (const [name, rule] of rules) {
    walk(rule.parts, follow.get(name) ?? new Set(), (part, after) => {
      if (!/Option|Repetition/.test(part.kind)) return;
      const starts = part.separator === null ? firstOf(part.parts).words : new Set([part.separator]);
      const both = [...starts].filter((word) => [...after].some((other) => clash(word, other)));
      if (both.length > 0) clashes.push(`${name}: ${both.join(' ')}`);
    });
  }
  // `name =` in arguments and `name in` behind `repeat`: their second token decides.
  expect(clashes.sort()).toEqual(['arg: Identifier', 'repeatStage: Identifier']);
});
