/** Names inside of declarations that nothing else looks at: inputs of functions, rows of maps, numbers of turns. */
import type { Decl, Name } from '../parser/ast.js';
import { shadowing } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import type { Checker, FileScope } from './env.js';
import { kindOf } from './expressions.js';

interface Bound {
  readonly span: Span;
  readonly kind: string;
}

const isRecord = (each: unknown): each is Readonly<Record<string, unknown>> =>
  typeof each === 'object' && each !== null;

const isName = (each: unknown): each is Name =>
  isRecord(each) && typeof each['text'] === 'string' && isRecord(each['span']);

/** Parameters, inputs and lets of a declaration. */
const ownNames = (decl: Decl): ReadonlyMap<string, Bound> => {
  const names = new Map<string, Bound>();
  const bind = ({ text, span }: Name, kind: string): void => {
    if (!names.has(text)) names.set(text, { span, kind });
  };
  if (decl.kind === 'fn' || decl.kind === 'block' || decl.kind === 'model') {
    for (const { name } of decl.params) bind(name, 'a parameter');
    for (const statement of decl.body.statements)
      if (statement.kind === 'let') bind(statement.name, 'a value');
  }
  if (decl.kind === 'block' || decl.kind === 'model')
    for (const { name } of decl.signature.inputs) bind(name, 'an input');
  return names;
};

/** Reports each of these names that hides one around it. After this, a name has one meaning wherever it is read. */
export const checkInnerNames = (checker: Checker, scope: FileScope): void => {
  const fresh = (name: Name, around: ReadonlyMap<string, Bound>): void => {
    const local = around.get(name.text);
    const outer = scope.names.get(name.text);
    const known = local ?? (outer ? { span: outer.span, kind: kindOf(outer) } : null);
    if (!known || (known.span.start === name.span.start && known.span.file === name.span.file)) return;
    checker.report(
      shadowing(
        name.span,
        { name: name.text },
        {
          related:
            known.span.file === name.span.file
              ? [{ span: known.span, label: `it is ${known.kind} here` }]
              : [],
          help: 'choose another name',
        },
      ),
    );
  };
  const turns = (node: unknown, around: ReadonlyMap<string, Bound>): void => {
    if (Array.isArray(node)) for (const each of node) turns(each, around);
    if (!isRecord(node) || Array.isArray(node)) return;
    const binder = node['kind'] === 'repeat' ? node['binder'] : null;
    const inside = new Map(around);
    if (isName(binder)) {
      fresh(binder, around);
      inside.set(binder.text, { span: binder.span, kind: 'the number of a turn' });
    }
    for (const [key, each] of Object.entries(node))
      if (key !== 'span') turns(each, isName(binder) ? inside : around);
  };
  for (const decl of scope.decls) {
    if (decl.kind === 'fn') for (const { name } of decl.params) fresh(name, new Map());
    if (decl.kind === 'data')
      for (const entry of decl.config.entries) if (entry.kind === 'map') fresh(entry.row, new Map());
    if (decl.kind === 'fn' || decl.kind === 'block' || decl.kind === 'model')
      turns(decl.body, ownNames(decl));
    if (decl.kind === 'step' || decl.kind === 'data') turns(decl, new Map());
  }
};
