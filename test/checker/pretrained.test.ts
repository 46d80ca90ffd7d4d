/** What the compiler can tell of `addon pretrained` before there is a file. */
import { describe, expect, test } from 'vitest';
import { codesOf, found, only, specOf } from './training-spec.js';
import { checkProgram } from '../../src/checker/check.js';
import { memoryHost } from '../../src/checker/host.js';

const model = `block Body(width: int) on x: f32[n, 8, 8, 1] -> f32[n, width] {
  return x |> conv2d(width, kernel = 3) as stem |> batch_norm() as norm |> relu()
    |> repeat i in 3 as stages { conv2d(width, kernel = 1) as conv |> layer_norm() as norm } |> mean(axis = [1, 2])
}
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> Body(8) as backbone |> dense(10) as head }`;
const param = 'param weights: path = "net.safetensors"';
const loading = (words: string): string => `addon pretrained { from = weights ${words} }`;
const parts = (words: string) => ({ model, param, addon: loading(words) });

test.each([
  'into = Net',
  'into = Net.backbone layout = "torch"',
  'into = Net.backbone.stages',
  'into = Net.head layout = "keras" fresh = ["bias"]',
  'into = Net.backbone layout = "torch" unused = ["fc.*"] fresh = ["stages.*.norm.*"] rename = [("conv1.*", "stem.*"), ("bn1.*", "norm.*"), ("layer{k+1}.**", "stages.{k}.**")]',
  // Through a name that only a later renaming takes.
  'into = Net.backbone layout = "torch" rename = [("a.**", "b.**"), ("b.**", "stem.**")]',
  'into = Net.backbone layout = "torch" rename = [("bn.mean", "norm.running_mean"), ("bn.count", "norm.num_batches_tracked")]',
  'into = Net.backbone layout = "keras" rename = [("c.w", "stem.kernel")]',
  'into = Net rename = [("Old.**", "Net.**")]',
])('%s', (words) => expect(codesOf(parts(words))).toEqual([]));

describe('patterns that match no weight', () => {
  test.each<[string, string, string, string | null]>([
    ['into = Net.backbon', 'Net.backbon', '`Net.backbon` matches no weight of `Net`', 'write `Net.backbone`'],
    ['into = Net.backbone.head', 'Net.backbone.head', '`Net.backbone.head` matches no weight of `Net`', null],
    [
      'into = Net.backbone fresh = ["steem.*"]',
      '"steem.*"',
      '`steem.*` matches no weight of `Net.backbone`',
      'write `"stem.*"`',
    ],
    [
      'into = Net.backbone fresh = ["head.*"]',
      '"head.*"',
      '`head.*` matches no weight of `Net.backbone`',
      null,
    ],
    [
      'into = Net.backbone layout = "torch" rename = [("conv1.*", "steem.*")]',
      '"steem.*"',
      '`steem.*` matches no weight of `Net.backbone`',
      null,
    ],
    [
      'into = Net.backbone layout = "torch" rename = [("bn.m", "norm.moving_mean")]',
      '"norm.moving_mean"',
      '`norm.moving_mean` matches no weight of `Net.backbone`',
      null,
    ],
    // Names in a file of ztrain begin with the model.
    ['into = Net rename = [("Old.**", "head.*.**")]', '"head.*.**"', '', null],
    [
      'into = Net rename = [("Old.**", "head.**")]',
      '"head.**"',
      '`head.**` matches no weight of `Net`',
      null,
    ],
  ])('%s', (words, at, message, help) => {
    const one = only(parts(words));
    expect(one.at).toBe(at);
    if (message === '') expect(one.code).toBe('ZT4112');
    else expect([one.code, one.message]).toEqual(['ZT4110', message]);
    if (help !== null) expect(one.help).toBe(help);
    if (help !== null) expect(one.fixed).not.toBe(null);
  });
});

describe('what is no part with weights of its own', () => {
  test.each<[string, string]>([
    [
      'into = Slow',
      '`Slow` is a copy of `Net`, but a model with weights of its own, or a part of one, is needed here',
    ],
    [
      'into = Slow.head',
      '`Slow.head` is a copy of `Net`, but a model with weights of its own, or a part of one, is needed here',
    ],
    ['into = opt', '`opt` is an optimizer, but a model or a part of one is needed here'],
    ['into = "Net"', '`"Net"` is a string, but a model or a part of one is needed here'],
  ])('%s', (words, message) => {
    const validate =
      'step validate(batch in test_set) every 1.epoch { metric accuracy = mean(argmax(Slow(batch.image)) == batch.label) }';
    const one = only({ ...parts(words), model: `${model}\nmodel Slow = ema(Net, 0.9)`, validate });
    expect([one.code, one.message]).toEqual(['ZT2006', message]);
  });
  test('a name that nothing has', () => expect(codesOf(parts('into = Nets'))).toEqual(['ZT2001']));
  test('a model that no step calls', () => {
    const other = 'model Other on x: f32[n, 4] -> f32[n, 2] { return x |> dense(2) as out }';
    const one = only({ ...parts('into = Other'), model: `${model}\n${other}` });
    expect(one.message).toContain('a model that no step calls');
  });
});

describe('what is written wrong', () => {
  test.each<[string, string]>([
    ['into = Net unused = [1]', 'ZT3203'],
    ['into = Net unused = [""]', 'ZT3203'],
    ['into = Net rename = ["a"]', 'ZT3203'],
    ['into = Net rename = [("a", "b", "c")]', 'ZT3203'],
    ['into = Net rename = [("a.*", "Net.head.weight")]', 'ZT4112'],
    ['into = Net layout = "pytorch"', 'ZT3203'],
    ['layout = "torch"', 'ZT2004'],
  ])('%s', (words, code) => expect(codesOf(parts(words))).toEqual([code]));
});

describe('several', () => {
  type Given = readonly (readonly [name: string, words: string])[];
  const several = (...all: Given) => ({
    model,
    param,
    addon: all.map(([name, words]) => `addon pretrained${name} { from = weights ${words} }`).join('\n'),
  });

  test.each<[string, Given]>([
    [
      'parts beside each other',
      [
        ['', 'into = Net.backbone'],
        [' as top', 'into = Net.head'],
      ],
    ],
    [
      'a part of a part that the other leaves as it is',
      [
        ['', 'into = Net fresh = ["backbone.stages.**", "head.*"]'],
        [' as a', 'into = Net.backbone.stages'],
        [' as b', 'into = Net.head'],
      ],
    ],
    [
      'one weight each of a layer',
      [
        [' as a', 'into = Net.head fresh = ["bias"]'],
        [' as b', 'into = Net.head fresh = ["weig*"]'],
      ],
    ],
    [
      'parts of a part',
      [
        [' as a', 'into = Net.backbone.stages'],
        [' as b', 'into = Net.backbone.stem'],
      ],
    ],
  ])('%s', (_name, all) => expect(codesOf(several(...all))).toEqual([]));

  test('without names of their own', () =>
    expect(codesOf(several(['', 'into = Net'], ['', 'into = Net']))).toEqual(['ZT4206']));

  test.each<[string, Given, string, string, string | null]>([
    [
      'the same part',
      [
        [' as a', 'into = Net.head'],
        [' as b', 'into = Net.head'],
      ],
      'Net.head',
      '`pretrained as a` and `pretrained as b` both load `Net.head.weight` and `Net.head.bias`',
      null,
    ],
    [
      'a part of the other, of which some stays as it is',
      [
        ['', 'into = Net'],
        [' as a', 'into = Net.backbone fresh = ["stages.**", "norm.*"]'],
      ],
      'Net.backbone',
      '`pretrained` and `pretrained as a` both load `Net.backbone.stem.weight` and `Net.backbone.stem.bias`',
      null,
    ],
    [
      'all of it',
      [
        [' as a', 'into = Net.backbone'],
        ['', 'into = Net layout = "torch"'],
      ],
      'Net',
      '`pretrained as a` and `pretrained` both load `Net.backbone.stem.weight`, `Net.backbone.stem.bias` and `Net.backbone.norm.gamma`',
      'both load 18 weights',
    ],
  ])('%s twice', (_name, all, at, message, note) => {
    const one = only(several(...all));
    expect([one.code, one.at, one.message]).toEqual(['ZT4212', at, message]);
    if (note !== null) expect(one.notes).toContain(note);
  });
});

describe('the file', () => {
  const withFiles = (from: string, files: Readonly<Record<string, string>>) => {
    const text = specOf({ addon: `addon pretrained { from = "${from}" into = Net }` });
    const { diagnostics } = checkProgram('specs/a.ztrain', memoryHost({ ...files, 'specs/a.ztrain': text }));
    return diagnostics.map(({ code, severity }) => `${severity} ${code}`);
  };
  test('is looked for beside the spec', () => {
    expect(withFiles('w/net.safetensors', { 'specs/w/net.safetensors': '' })).toEqual([]);
    expect(withFiles('w/net.safetensors', { 'w/net.safetensors': '' })).toEqual(['warning ZT5017']);
    expect(withFiles('/w/net.safetensors', { '/w/net.safetensors': '' })).toEqual([]);
  });
  test.each(['net.pt', 'net.bin', 'net.h5', 'net.keras', 'net.npz'])('%s is none', (name) =>
    expect(withFiles(name, { [`specs/${name}`]: '' })).toEqual(['error ZT3203']),
  );
});

describe('images that are flattened before a dense layer', () => {
  const flattened = (body: string, words = 'layout = "torch"') =>
    found({
      model: `model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> conv2d(4, kernel = 3) as conv |> ${body} |> dense(10) as head }`,
      param,
      addon: loading(`into = Net ${words}`),
    }).map(({ code, at }) => `${code} ${at}`);
  test.each(['flatten()', 'flatten() |> dropout(0.5)', 'relu() |> flatten() |> tanh()', 'reshape([n, 144])'])(
    '%s is told of',
    (body) => expect(flattened(body)).toHaveLength(1),
  );
  test.each<[string, string]>([
    ['transpose(axes = [0, 3, 1, 2]) |> flatten()', 'layout = "torch"'],
    ['mean(axis = [1, 2])', 'layout = "torch"'],
    ['flatten()', 'layout = "keras"'],
    ['flatten()', 'layout = "ztrain"'],
    ['flatten()', 'layout = "torch" fresh = ["head.*"]'],
    ['conv2d(1, kernel = 1) as one |> flatten()', 'layout = "torch"'],
    ['conv2d(8, kernel = 6) as one |> flatten()', 'layout = "torch"'],
    ['flatten() |> dense(4) as mid', 'layout = "torch" fresh = ["mid.*"]'],
  ])('%s, %s is not', (body, words) => expect(flattened(body, words)).toEqual([]));
});
