/**
 * ZT5026: an update that reads weights which an earlier update of the same step changes. Weights change with the last batch of a window:
 * in the batches before it they are the old ones for every update.
 */
import { readsChanged } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import { evaluateIr, type HostNames } from '../evaluate.js';
import type { IrExpr, IrStepStmt, IrTrainer } from '../ir.js';
import { walkIr } from '../ir-walk.js';
import { listed, optionOf, type TrainingInput } from './input.js';
import type { Run } from './run.js';
import { expressionsOf, localsOf, partsOf } from './walk.js';

/** An update that has changed weights. */
interface Change {
  /** `update a, b`. */
  readonly by: string;
  readonly span: Span;
}

/** An update, and what it reads of weights that are changed by then. */
export interface ChangedReads {
  readonly update: string;
  readonly span: Span;
  /** By the model that is read, as the spec calls it; an average names the model that it follows. */
  readonly reads: ReadonlyMap<string, Change>;
}

/** Which way the train step goes, as far as that is known. */
export interface Ways {
  /** How often a loop turns; null where that is not known. */
  readonly turns: (loop: Extract<IrStepStmt, { readonly kind: 'for' }>) => number | null;
  /** Null where a test may come out either way. */
  readonly holds: (test: IrExpr) => boolean | null;
}

export const waysOf = (names: HostNames): Ways => ({
  turns: (loop) => {
    const [from, to] = [loop.from, loop.to].map((each) => evaluateIr(each, names));
    return typeof from === 'number' && typeof to === 'number' ? to - from : null;
  },
  holds: (test) => {
    const value = evaluateIr(test, names);
    return typeof value === 'boolean' ? value : null;
  },
});

type Update = Extract<IrStepStmt, { readonly kind: 'update' }>;

const nameOf = (update: Update): string => update.optimizers.map(({ name }) => name).join(', ');

/** Models whose weights each optimizer changes within the step: its own, and running averages, which follow with every update. */
const changedBy = ({ optimizers, models }: IrTrainer): ReadonlyMap<string, readonly string[]> =>
  new Map(
    optimizers.map(({ name, of, kept = [] }) => {
      const own = of.map(({ model }) => model).filter((model) => !kept.includes(model));
      const followers = models.filter(({ copy }) => copy?.kind === 'ema' && own.includes(copy.of));
      return [name, [...own, ...followers.map((model) => model.name)]];
    }),
  );

class Search {
  /** Models by the update that changed them last. */
  #changed = new Map<string, Change>();
  /** Locals that are made of changed weights. */
  #made = new Map<string, ReadonlyMap<string, Change>>();
  readonly found = new Map<Span, ChangedReads>();
  readonly #changes: ReadonlyMap<string, readonly string[]>;

  constructor(
    trainer: IrTrainer,
    private readonly ways: Ways,
  ) {
    this.#changes = changedBy(trainer);
  }

  walk(statements: readonly IrStepStmt[]): void {
    for (const statement of statements) this.#statement(statement);
  }

  #statement(statement: IrStepStmt): void {
    switch (statement.kind) {
      case 'let':
      case 'reduce':
      case 'fold':
        this.#locals(statement);
        this.#made.set(statement.name, this.#readIn(expressionsOf(statement)));
        break;
      case 'branch': {
        this.#locals(statement);
        const taken = this.#taken(statement.test, statement.then, statement.else);
        const parts = taken.flatMap(({ body, value }) => [...body.flatMap(expressionsOf), value]);
        this.#made.set(statement.name, this.#readIn(parts));
        break;
      }
      case 'update':
        this.walk(statement.body);
        this.#update(statement);
        break;
      case 'every':
        this.walk(statement.body);
        break;
      case 'if':
        this.#branches(this.#taken(statement.test, statement.then, statement.else));
        break;
      case 'for': {
        const turns = this.ways.turns(statement) ?? 2;
        // What the second turn reads, each after it reads as well.
        for (let turn = 0; turn < Math.min(turns, 2); turn += 1) this.walk(statement.body);
        break;
      }
      default:
        break;
    }
  }

  /** Names inside of a fold or branch are read by nothing else. */
  #locals(statement: IrStepStmt): void {
    for (const [name, value] of localsOf([statement]))
      if (value.kind !== 'fold') this.#made.set(name, this.#readIn([value]));
  }

  #taken<T>(test: IrExpr, then: T, other: T): readonly T[] {
    const holds = this.ways.holds(test);
    return [...(holds === false ? [] : [then]), ...(holds === true ? [] : [other])];
  }

  #branches(branches: readonly (readonly IrStepStmt[])[]): void {
    const [changed, made] = [this.#changed, this.#made];
    const ends = branches.map((body) => {
      [this.#changed, this.#made] = [new Map(changed), new Map(made)];
      this.walk(body);
      return [this.#changed, this.#made] as const;
    });
    this.#changed = new Map(ends.flatMap(([after]) => [...after]));
    this.#made = new Map(ends.flatMap(([, after]) => [...after]));
  }

  #update(statement: Update): void {
    const reads = new Map(
      statement.body.flatMap((each) => (each.kind === 'minimize' ? [...this.#minimized(each)] : [])),
    );
    const update = nameOf(statement);
    if (reads.size > 0 && !this.found.has(statement.span))
      this.found.set(statement.span, { update, span: statement.span, reads });
    const change = { by: update, span: statement.span };
    for (const { name } of statement.optimizers)
      for (const model of this.#changes.get(name) ?? []) this.#changed.set(model, change);
  }

  #minimized(statement: IrStepStmt): ReadonlyMap<string, Change> {
    const reads = new Map(this.#readIn(expressionsOf(statement)));
    walkIr(statement, ({ kind, name }) => {
      if (kind !== 'named' || typeof name !== 'string') return;
      for (const [model, change] of this.#made.get(name) ?? []) reads.set(model, change);
    });
    return reads;
  }

  /** The changed weights that a value reads, itself or through names. */
  #readIn(exprs: readonly IrExpr[]): ReadonlyMap<string, Change> {
    const reads = new Map<string, Change>();
    const enter = (expr: IrExpr): void => {
      if (expr.kind === 'model') {
        const change = this.#changed.get(expr.model);
        if (change) reads.set(expr.model, change);
      } else if (expr.kind === 'ref' && expr.ref.kind === 'local')
        for (const [model, change] of this.#made.get(expr.ref.name) ?? []) reads.set(model, change);
      if (expr.kind === 'choose') this.#taken(expr.test, expr.then, expr.else).forEach(enter);
      else partsOf(expr).forEach(enter);
    };
    exprs.forEach(enter);
    return reads;
  }
}

/** Updates of the train step that read weights which others before them, or they themselves in an earlier turn, have changed. */
export const changedReads = (trainer: IrTrainer, ways: Ways): readonly ChangedReads[] =>
  trainer.steps.flatMap(({ stage, body }) => {
    if (stage !== 'train') return [];
    const search = new Search(trainer, ways);
    search.walk(body);
    return [...search.found.values()];
  });

export const checkChangedReads = ({ trainer, report }: TrainingInput, { names, accumulate }: Run): void => {
  if (accumulate === undefined || accumulate <= 1) return;
  const given = optionOf(trainer.options, 'accumulate');
  for (const { update, span, reads } of changedReads(trainer, waysOf(names))) {
    const changes = new Map([...reads.values()].map((change) => [change.span, change]));
    report(
      readsChanged(
        span,
        { update, weights: listed([...reads.keys()]) },
        {
          related: [
            ...[...changes.values()].map(({ by, span: at }) => ({
              span: at,
              label:
                at === span
                  ? 'changes them in each turn'
                  : `\`update ${by}\` changes ${listed([...reads].flatMap(([model, { span: own }]) => (own === at ? [model] : [])))}`,
            })),
            ...(given ? [{ span: given.span, label: `${accumulate} batches a window` }] : []),
          ],
          notes: [
            'in the batches of a window before its last the weights are the old ones, so its gradient is a mixture of both',
          ],
          help: `take a batch of the whole window, ${accumulate} times as large, with \`accumulate = 1\``,
        },
      ),
    );
  }
};
