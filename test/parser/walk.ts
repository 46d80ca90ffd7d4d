/** Walks any tree of the parser, whatever its kinds. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Spec } from '../../src/parser/ast.js';
import { parse, type Parsed } from '../../src/parser/parse.js';
import { createSource } from '../../src/parser/source.js';

export interface Found {
  readonly kind: string;
  readonly id: number;
  readonly start: number;
  readonly end: number;
  readonly parent: Found | null;
}

const numberIn = (value: object, key: string): number => {
  const found: unknown = Reflect.get(value, key);
  return typeof found === 'number' ? found : Number.NaN;
};

const nodeOf = (value: object, parent: Found | null): Found | null => {
  const kind: unknown = Reflect.get(value, 'kind');
  const span: unknown = Reflect.get(value, 'span');
  if (typeof kind !== 'string' || typeof span !== 'object' || span === null) return null;
  return {
    kind,
    id: numberIn(value, 'id'),
    start: numberIn(span, 'start'),
    end: numberIn(span, 'end'),
    parent,
  };
};

/** Every node, a parent before what it holds. */
export const nodesOf = (spec: Spec): readonly Found[] => {
  const found: Found[] = [];
  const visit = (value: unknown, parent: Found | null): void => {
    if (typeof value !== 'object' || value === null) return;
    const node = nodeOf(value, parent);
    if (node !== null) found.push(node);
    for (const child of Object.values(value)) visit(child, node ?? parent);
  };
  visit(spec, null);
  return found;
};

export const parseText = (text: string): Parsed => parse(createSource(0, 'test.ztrain', text));

const root = new URL('../../', import.meta.url);

const specsIn = (folder: string): readonly (readonly [string, string])[] =>
  readdirSync(new URL(folder, root))
    .filter((name) => name.endsWith('.ztrain'))
    .map((name) => [`${folder}${name}`, readFileSync(new URL(`${folder}${name}`, root), 'utf8')] as const);

/** Well-formed specs by path: the parser's own, and those that are shipped. */
export const goodSpecs: readonly (readonly [string, string])[] = [
  ...specsIn('test/parser/specs/'),
  ...specsIn('specs/'),
  ...specsIn('grammar/'),
];
