/** What `addon pretrained` names of the trainer: the part that is loaded, weights that stay as they are, and what renamings make. */
import { loadedTwice, unmatchedPattern, wrongKind } from '../../parser/messages.gen.js';
import { nearest } from '../../parser/nearest.js';
import type { Weight } from '../env.js';
import type { IrAddon, IrExpr } from '../ir.js';
import { checkFlattened } from './flattened.js';
import { checkMatching, matchesPattern } from './groups.js';
import { counted } from '../../values/counted.js';
import { listed, optionOf, type TrainingInput } from './input.js';

const textOf = (expr: IrExpr | null): string | null =>
  expr?.kind === 'literal' && typeof expr.value === 'string' ? expr.value : null;

const itemsOf = (expr: IrExpr | null): readonly IrExpr[] => (expr?.kind === 'items' ? expr.items : []);

/** Names that a weight may have in a file of a layout. A layer of one's own has the same name everywhere. */
const others: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  torch: {
    gamma: ['weight'],
    beta: ['bias'],
    mean: ['running_mean'],
    variance: ['running_var', 'num_batches_tracked'],
  },
  keras: {
    weight: ['kernel', 'embeddings', 'depthwise_kernel'],
    gamma: ['scale'],
    mean: ['moving_mean'],
    variance: ['moving_variance'],
  },
};

/** The same of recurrent layers: both cells, as nothing here says which of them a layer has. */
const ofRecurrent: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  torch: {
    weight: ['weight_ih_l0'],
    recurrent: ['weight_hh_l0'],
    bias: ['bias_ih_l0', 'bias_hh_l0'],
  },
  keras: {
    weight: ['lstm_cell.kernel', 'gru_cell.kernel'],
    recurrent: ['lstm_cell.recurrent_kernel', 'gru_cell.recurrent_kernel'],
    bias: ['lstm_cell.bias', 'gru_cell.bias'],
  },
};

/** Names that the weight of a path may have in a file, where `paths` are all. */
const namesInFile = (path: string, layout: string, paths: ReadonlySet<string>): readonly string[] => {
  const at = path.lastIndexOf('.') + 1;
  const [owner, own] = [path.slice(0, at), path.slice(at)];
  const recurrent = paths.has(`${owner}recurrent`) ? ofRecurrent[layout]?.[own] : undefined;
  if (recurrent === undefined) return [own, ...(others[layout]?.[own] ?? [])].map((name) => owner + name);
  // Each direction of two is marked in a way of the layout's own.
  const [, before, direction] = /^(.*?)(forward|backward)\.$/.exec(owner) ?? [];
  return recurrent.map((name) => {
    if (before === undefined || direction === undefined) return owner + name;
    if (layout === 'keras') return `${before}${direction}_${name.slice(0, name.indexOf('_'))}.${name}`;
    return `${before}${name}${direction === 'backward' ? '_reverse' : ''}`;
  });
};

/** Whether one name of a pattern, with `*` and `{k}`, and one of another can be the same. Says yes where it is not sure. */
const nameMeets = (one: string, other: string): boolean => {
  const ends = (text: string): readonly [string, string, boolean] => {
    const pieces = text.split(/\*|\{[^}]*\}/);
    return [pieces[0] ?? '', pieces.at(-1) ?? '', pieces.length > 1];
  };
  const [[headA, tailA, openA], [headB, tailB, openB]] = [ends(one), ends(other)];
  if (!openA && !openB) return one === other;
  const starts = headA.startsWith(headB) || headB.startsWith(headA);
  const stops = tailA.endsWith(tailB) || tailB.endsWith(tailA);
  // What is written out must hold all that the other has.
  const fits =
    openA && openB ? true : (openA ? other : one).length >= (openA ? headA + tailA : headB + tailB).length;
  return starts && stops && fits;
};

const patternMeets = (one: readonly string[], other: readonly string[]): boolean => {
  const [first, ...rest] = one;
  const [second, ...others_] = other;
  if (first === '**')
    return patternMeets(rest, other) || (second !== undefined && patternMeets(one, others_));
  if (second === '**') return patternMeets(other, one);
  if (first === undefined || second === undefined) return first === second;
  return nameMeets(first, second) && patternMeets(rest, others_);
};

const meets = (one: string, other: string): boolean => patternMeets(one.split('.'), other.split('.'));

/** Each name that a renaming makes is one of a weight, or goes on to a renaming after it. */
const checkRenames = (
  input: TrainingInput,
  rename: IrExpr | null,
  names: readonly string[],
  into: string,
): void => {
  const pairs = itemsOf(rename).flatMap((each) => {
    const field = (name: string): IrExpr | null =>
      each.kind === 'record' ? optionOf(each.fields, name) : null;
    const [from, to] = [field('from'), field('to')];
    const [taken, made] = [textOf(from), textOf(to)];
    return to && taken !== null && made !== null ? [{ span: to.span, taken, made }] : [];
  });
  pairs.forEach(({ span, made }, place) => {
    const isTaken =
      names.some((name) => meets(made, name)) ||
      pairs.slice(place + 1).some(({ taken }) => meets(made, taken));
    if (isTaken) return;
    const some = names.slice(0, 5);
    input.report(
      unmatchedPattern(
        span,
        { pattern: made, models: `\`${into}\`` },
        {
          notes: [
            `in the file, its weights are ${listed(some)}${names.length > some.length ? ', …' : ''}, and no renaming after this one takes it`,
          ],
        },
      ),
    );
  });
};

/** The weights below a part: null after an error. */
const weightsBelow = (input: TrainingInput, into: IrExpr, path: string): readonly Weight[] | null => {
  const { trainer, report } = input;
  const [name = '', ...parts] = path.split('.');
  // A model that only frozen copies are made of is not there: they have its weights.
  const model = trainer.models.find((each) => each.name === name);
  const standing = model ?? trainer.models.find(({ copy }) => copy?.alone && copy.of === name);
  const weights = input.weights.get(standing?.name ?? name);
  const expected = 'a model with weights of its own, or a part of one,';
  if (model?.copy) {
    const { of, span } = model.copy;
    report(
      wrongKind(
        into.span,
        { name: path, found: `a copy of \`${of}\``, expected },
        { related: [{ span, label: 'it begins with these weights' }], help: `load into \`${of}\`` },
      ),
    );
    return null;
  }
  if (!standing || !weights || weights.length === 0) {
    const found = standing ? 'a model without weights' : 'a model that no step calls';
    report(wrongKind(into.span, { name, found, expected }));
    return null;
  }
  const prefix = parts.map((part) => `${part}.`).join('');
  const below = weights.filter((weight) => weight.path.startsWith(prefix));
  if (below.length > 0) return below;
  const known = [...new Set(weights.flatMap((weight) => weight.path.split('.')[0] ?? []))];
  const [near] = nearest(parts[0] ?? '', known);
  report(
    unmatchedPattern(
      into.span,
      { pattern: path, models: `\`${name}\`` },
      near === undefined || parts.length > 1
        ? { notes: [`its parts are ${listed(known.slice(0, 8))}`] }
        : {
            help: `write \`${name}.${near}\``,
            fix: {
              title: `write \`${name}.${near}\``,
              edits: [{ span: into.span, text: `${name}.${near}` }],
            },
          },
    ),
  );
  return null;
};

/** What an add-on loads. */
interface Loading {
  readonly addon: IrAddon;
  readonly into: IrExpr;
  /** Whole paths of weights. */
  readonly paths: readonly string[];
}

/** A weight begins with one file's values: two add-ons that load it would leave it to their order. */
const checkApart = ({ report }: TrainingInput, all: readonly Loading[]): void => {
  const nameOf = ({ addon: { name, label } }: Loading): string =>
    label === name ? `\`${name}\`` : `\`${name} as ${label}\``;
  all.forEach((second, at) => {
    for (const first of all.slice(0, at)) {
      // Two of one name are told of by that.
      const both = second.paths.filter((path) => first.paths.includes(path));
      if (both.length === 0 || first.addon.label === second.addon.label) continue;
      const some = both.slice(0, 3);
      report(
        loadedTwice(
          second.into.span,
          { first: nameOf(first), second: nameOf(second), weights: listed(some) },
          {
            related: [{ span: first.into.span, label: 'loaded here' }],
            ...(both.length > some.length ? { notes: [`both load ${counted(both.length, 'weight')}`] } : {}),
            help: 'name in `fresh` of one of them what the other loads',
          },
        ),
      );
      return;
    }
  });
};

export const checkPretrained = (input: TrainingInput): void => {
  const all: Loading[] = [];
  for (const addon of input.trainer.addons) {
    const { name, module, options } = addon;
    const into = name === 'pretrained' && module === null ? optionOf(options, 'into') : null;
    const path = textOf(into);
    if (!into || path === null) continue;
    const weights = weightsBelow(input, into, path);
    if (!weights) continue;
    const depth = path.split('.').length - 1;
    const paths = weights.map((weight) => weight.path.split('.').slice(depth).join('.'));
    const fresh = itemsOf(optionOf(options, 'fresh')).flatMap((each) => {
      const pattern = textOf(each);
      return pattern === null ? [] : [{ span: each.span, pattern }];
    });
    checkMatching(input, fresh, paths, [path]);
    const layout = textOf(optionOf(options, 'layout')) ?? 'ztrain';
    const prefix = layout === 'ztrain' ? `${path}.` : '';
    const inFile = paths.map((each) => prefix + each);
    const known = new Set(inFile);
    const names = inFile.flatMap((each) => namesInFile(each, layout, known));
    checkRenames(input, optionOf(options, 'rename'), names, path);
    const loaded = paths.filter((each) => !fresh.some(({ pattern }) => matchesPattern(pattern, each)));
    all.push({ addon, into, paths: loaded.map((each) => `${path}.${each}`) });
    if (layout === 'torch')
      checkFlattened(input, path, (ending) => loaded.some((each) => `.${each}`.endsWith(`.${ending}`)));
  }
  checkApart(input, all);
};
