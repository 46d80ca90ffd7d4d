/** Which data sets and optimizers of a run amend others, and what they name themselves: a command line goes by it. */
import type { Config, Decl } from '../parser/ast.js';
import { optionTable } from '../values/options.gen.js';
import type { Amending, Amends } from '../values/amends.js';
import type { DataInfo } from './data.js';
import { lookup, type Env } from './env.js';
import type { IrOptimizer } from './ir.js';

/** Attributes of a block that a command line may set too. */
const ownOf = ({ entries }: Config, table: string): readonly string[] => {
  const declared = optionTable.get(table) ?? [];
  const settable = new Set(declared.flatMap(({ name, overridable }) => (overridable ? [name] : [])));
  return entries.flatMap((entry) =>
    entry.kind === 'attribute' && settable.has(entry.name.text) ? [entry.name.text] : [],
  );
};

/** Those of `all` that are `names`, or that something of them is made of. */
const reached = (all: readonly Amending[], names: Iterable<string>): readonly Amending[] => {
  const wanted = new Set(names);
  // A base may stand after what is made of it.
  for (const name of wanted) {
    const of = all.find((each) => each.name === name)?.of;
    if (of !== undefined) wanted.add(of);
  }
  return all.filter(({ name }) => wanted.has(name));
};

/** `datas`: all that are declared; `read`: the names of those that the run has. */
export const amendsOf = (
  env: Env,
  decls: readonly Decl[],
  datas: ReadonlyMap<string, DataInfo>,
  read: Iterable<string>,
  optimizers: readonly IrOptimizer[],
): { readonly amends?: Amends } => {
  const sets: Amending[] = [];
  const rules: Amending[] = [];
  for (const decl of decls) {
    if (decl.kind === 'data') {
      const of = datas.get(decl.name.text)?.amends ?? null;
      if (of !== null) sets.push({ name: decl.name.text, of, own: ownOf(decl.config, 'data/options') });
    }
    if (decl.kind !== 'optimizer') continue;
    const name = decl.name.text;
    const made = optimizers.find((each) => each.name === name);
    const base = lookup(env.scope, decl.source.text);
    if (made && !made.extern && base?.kind === 'decl' && base.decl.kind === 'optimizer')
      rules.push({ name, of: decl.source.text, own: ownOf(decl.config, `optimizer/${made.kind}`) });
  }
  const data = reached(sets, read);
  if (data.length === 0 && rules.length === 0) return {};
  return {
    amends: {
      ...(data.length > 0 ? { data } : {}),
      ...(rules.length > 0 ? { optimizers: rules } : {}),
    },
  };
};
