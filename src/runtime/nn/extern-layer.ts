/** Layers and models of a spec that are written in TypeScript, held against what the spec declares of them. */
import { Tensor } from '@tensorflow/tfjs-core';
import { shapeText, tensorText } from '../ops/kernel.js';
import { externError, inExtern, type Extern } from '../run/extern-error.js';
import { ranked } from '../tensor.js';
import { attached, parts, type Module, type Part, type Parts } from './module.js';
import type { Weight } from './weight.js';

/**
 * One axis as declared: a number, the name of a size, `...s` for any number of axes, or what is computed of sizes. A name is an option
 * of the layer, or is bound by the first axis that has it.
 */
export type DeclaredAxis = number | string | ((size: (name: string) => number) => number);

/** What a spec declares of a layer or model of its own. */
export interface ExternLayerDeclaration {
  readonly what?: 'model';
  readonly name: string;
  readonly file: string;
  /** Sizes that the declaration reads and the layer is not told. */
  readonly sizes?: Readonly<Record<string, number>>;
  /** Shapes of the inputs, in order. */
  readonly takes: readonly (readonly DeclaredAxis[])[];
  readonly gives: readonly DeclaredAxis[];
  /** What optimizers train, and what is only kept: paths below the layer, and shapes. */
  readonly weights: Readonly<Record<string, readonly DeclaredAxis[]>>;
  readonly state: Readonly<Record<string, readonly DeclaredAxis[]>>;
}

/** What names of a declaration stand for. */
interface Bound {
  readonly sizes: Map<string, number>;
  readonly rests: Map<string, readonly number[]>;
}

function axisText(axis: DeclaredAxis): string {
  return typeof axis === 'function' ? '·' : String(axis);
}

const declaredText = (axes: readonly DeclaredAxis[]): string => `[${axes.map(axisText).join(', ')}]`;

/** Whether a shape is what is declared. Names that are not known yet are bound by it. */
function matches(axes: readonly DeclaredAxis[], shape: readonly number[], bound: Bound): boolean {
  const rest = axes.findIndex((axis) => typeof axis === 'string' && axis.startsWith('...'));
  if (rest < 0 ? shape.length !== axes.length : shape.length < axes.length - 1) return false;
  const behind = rest < 0 ? 0 : axes.length - rest - 1;
  const spread = axes[rest];
  if (typeof spread === 'string') {
    const middle = shape.slice(rest, shape.length - behind);
    const known = bound.rests.get(spread);
    if (known === undefined || spread === '...') bound.rests.set(spread, middle);
    else if (known.join() !== middle.join()) return false;
  }
  return axes.every((axis, at) => {
    if (at === rest) return true;
    const size = shape[rest >= 0 && at > rest ? shape.length - axes.length + at : at] ?? Number.NaN;
    if (typeof axis === 'string' && !bound.sizes.has(axis)) bound.sizes.set(axis, size);
    return size === sizeOf(axis, bound);
  });
}

function sizeOf(axis: DeclaredAxis, { sizes }: Bound): number {
  const known = (name: string): number => sizes.get(name) ?? Number.NaN;
  return typeof axis === 'number' ? axis : typeof axis === 'string' ? known(axis) : axis(known);
}

/**
 * A layer that a function of the spec's own makes. Its weights have the paths that they have in the layer itself. What it is given
 * and gives is held against the declaration wherever it is called, what it owns where it is made.
 */
export class ExternLayer implements Part {
  readonly #about: Extern;
  readonly #layer: Module<readonly never[]>;
  readonly #declared: ExternLayerDeclaration;
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #owned: ReadonlyMap<string, Weight>;

  constructor(
    declared: ExternLayerDeclaration,
    make: () => Module<readonly never[]>,
    options: Readonly<Record<string, unknown>>,
  ) {
    const { what = 'layer', name, file, sizes = {} } = declared;
    this.#about = { what, name, file };
    this.#declared = declared;
    this.#sizes = new Map(
      Object.entries({ ...sizes, ...options }).flatMap(([key, value]) =>
        typeof value === 'number' ? [[key, value]] : [],
      ),
    );
    this.#layer = inExtern(this.#about, make);
    this.#owned = new Map(ownedBy(this.#layer, ''));
    this.#checkOwned();
  }

  get [parts](): Parts {
    return this.#layer[parts];
  }

  [attached](path: string): void {
    this.#layer[attached](path);
  }

  /** The output for the inputs. Only in a step. Throws where a shape is not as declared. */
  call<R extends Tensor>(...inputs: readonly Tensor[]): R {
    const { takes, gives } = this.#declared;
    const bound: Bound = { sizes: new Map(this.#sizes), rests: new Map() };
    takes.forEach((axes, index) => {
      const input = inputs[index];
      if (input === undefined || matches(axes, input.shape, bound)) return;
      throw externError(this.#about, `takes ${declaredText(axes)}, got ${tensorText(input)}`);
    });
    const layer: { call(...given: readonly Tensor[]): unknown } = this.#layer;
    const output = inExtern(this.#about, () => layer.call(...inputs));
    if (!(output instanceof Tensor)) throw externError(this.#about, 'gives no tensor');
    if (matches(gives, output.shape, bound)) return ranked<R>(output);
    throw externError(
      this.#about,
      `gives ${tensorText(output)} for ${inputs.map(tensorText).join(' and ')}; declared is ${declaredText(gives)}`,
    );
  }

  /** A weight or state by its path below the layer. */
  weight<T extends Tensor>(path: string): { readonly read: () => T } {
    const weight = this.#owned.get(path);
    if (weight === undefined) throw externError(this.#about, `has no weight ${path}`);
    return { read: () => ranked<T>(weight.read()) };
  }

  #checkOwned(): void {
    const { weights, state } = this.#declared;
    const wanted = new Map<string, { readonly axes: readonly DeclaredAxis[]; readonly trainable: boolean }>([
      ...Object.entries(weights).map(([path, axes]) => [path, { axes, trainable: true }] as const),
      ...Object.entries(state).map(([path, axes]) => [path, { axes, trainable: false }] as const),
    ]);
    for (const path of this.#owned.keys()) {
      if (!wanted.has(path))
        throw externError(
          this.#about,
          `owns ${path}, which the spec does not declare; add it to \`weights\` or \`state\``,
        );
    }
    for (const [path, { axes, trainable }] of wanted) {
      const weight = this.#owned.get(path);
      const what = trainable ? 'weight' : 'state';
      if (weight === undefined)
        throw externError(this.#about, `has no ${what} ${path}, which the spec declares`);
      if (weight.trainable !== trainable)
        throw externError(
          this.#about,
          `has ${path} as a ${trainable ? 'state' : 'weight'}; declared is a ${what}`,
        );
      const bound: Bound = { sizes: new Map(this.#sizes), rests: new Map() };
      if (
        weight.shape.length === axes.length &&
        axes.every((axis, at) => weight.shape[at] === sizeOf(axis, bound))
      )
        continue;
      throw externError(
        this.#about,
        `has the ${what} ${path} as ${shapeText(weight.shape)}; declared is ${shapeText(axes.map((axis) => sizeOf(axis, bound)))}`,
      );
    }
  }
}

function ownedBy(part: Part, before: string): readonly (readonly [string, Weight])[] {
  const { children, weights } = part[parts];
  return [
    ...[...weights].map(([name, weight]) => [`${before}${name}`, weight] as const),
    ...[...children].flatMap(([name, child]) => ownedBy(child, `${before}${name}.`)),
  ];
}

/** The layer that `make` gives for `options`, held against its declaration. */
export function extern<O extends object>(
  declared: ExternLayerDeclaration,
  make: (options: O) => Module<readonly never[]>,
  options: NoInfer<O>,
): ExternLayer {
  return new ExternLayer(declared, () => make(options), Object.fromEntries(Object.entries(options)));
}

/** The same of a model, which is a class of the spec's own. */
export function externModel<O extends object>(
  declared: ExternLayerDeclaration,
  model: new (options: O) => Module<readonly never[]>,
  options: NoInfer<O>,
): ExternLayer {
  return new ExternLayer(declared, () => new model(options), Object.fromEntries(Object.entries(options)));
}
