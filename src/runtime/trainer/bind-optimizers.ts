/** Optimizers of a trainer bound to the weights that they own: each weight has one owner. */
import { weightsOf, type NamedWeight } from '../nn/module.js';
import { bindOptimizer, type BoundOptimizer, type FoundWeight } from '../optim/bound.js';
import type { Optimizer } from '../optim/optimizer.js';
import { isAmong, matchesPath } from '../optim/patterns.js';
import type { Weight } from '../nn/weight.js';
import type { SessionParts } from './session.js';

/** Throws where a weight has two owners, or none in a model that is shared out, and where one is a copy's. */
export function bindAll<S extends object>(
  parts: SessionParts<S>,
  weights: readonly NamedWeight[],
  copied: ReadonlyMap<Weight, string>,
): ReadonlyMap<string, BoundOptimizer> {
  const paths = new Map(weights.map(({ path, weight }) => [weight, path]));
  const owners = new Map<string, string>();
  /** Weights of models of which some optimizer owns a part. */
  const shared = new Set<string>();
  const bound = new Map<string, BoundOptimizer>();
  for (const [name, optimizer] of parts.optimizers) {
    const all = optimizer.of.flatMap(weightsOf).flatMap((weight): FoundWeight[] => {
      const path = paths.get(weight);
      if (path === undefined) {
        throw new Error(
          `optimizer ${name} owns a model that configureModels did not return; return it there`,
        );
      }
      if (copied.has(weight)) {
        throw new Error(
          `optimizer ${name} owns ${path}, which is a copy of ${copied.get(weight)}; own the model itself`,
        );
      }
      return weight.trainable
        ? [{ path, local: path.slice(path.indexOf('.') + 1), variable: weight.variable }]
        : [];
    });
    const found = owned(name, optimizer, all);
    for (const { path } of found) {
      const other = owners.get(path);
      if (other !== undefined)
        throw new Error(`${path} belongs to ${other} and ${name}; give each weight one optimizer`);
      owners.set(path, name);
    }
    if (optimizer.owns !== null) for (const { path } of all) shared.add(path);
    const { clip } = parts.options;
    bound.set(name, bindOptimizer(parts.engine, name, optimizer, found, clip, parts.clockOf));
  }
  for (const path of shared) {
    if (!owners.has(path))
      throw new Error(
        `no optimizer owns ${path}; let one match it, in a group with freeze = rest where it is to be kept`,
      );
  }
  return bound;
}

/** Of its models' weights, those that an optimizer's own patterns leave to it. Throws where a pattern matches none. */
function owned<S extends object>(
  name: string,
  { owns }: Optimizer<S>,
  all: readonly FoundWeight[],
): readonly FoundWeight[] {
  if (owns === null) return all;
  for (const pattern of [...owns.match, ...(owns.except ?? [])]) {
    if (all.some(({ local }) => matchesPath(pattern, local))) continue;
    const paths = all.map(({ local }) => local).join(', ');
    throw new Error(`optimizer ${name}: no weight matches ${JSON.stringify(pattern)}; there are ${paths}`);
  }
  return all.filter(({ local }) => isAmong(owns, local));
}
