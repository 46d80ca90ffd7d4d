/** Renamings against what they are to give, for the names of a ResNet as PyTorch has them. */
import { describe, expect, test } from 'vitest';
import { renamerOf, RenamingError, type Renaming } from '../../src/values/renames.js';

const resnet: readonly Renaming[] = [
  { from: 'conv1.*', to: 'stem.*' },
  { from: 'bn1.*', to: 'norm.*' },
  { from: 'layer{s+1}.0.**', to: 'stages.{s}.first.**' },
  { from: 'layer{s+1}.{b+1}.**', to: 'stages.{s}.rest.{b}.**' },
  { from: '**.downsample.0.*', to: '**.project.*' },
  { from: '**.downsample.1.*', to: '**.norm0.*' },
  { from: '**.bn{k}.*', to: '**.norm{k}.*' },
];

const through = (pairs: readonly Renaming[], name: string): string =>
  pairs.reduce((now, pair) => renamerOf(pair)(now) ?? now, name);

test.each([
  ['conv1.weight', 'stem.weight'],
  ['bn1.running_mean', 'norm.running_mean'],
  ['layer1.0.conv1.weight', 'stages.0.first.conv1.weight'],
  ['layer4.1.bn2.weight', 'stages.3.rest.0.norm2.weight'],
  ['layer2.0.downsample.0.weight', 'stages.1.first.project.weight'],
  ['layer2.0.downsample.1.running_var', 'stages.1.first.norm0.running_var'],
  ['layer3.12.bn1.bias', 'stages.2.rest.11.norm1.bias'],
  ['fc.weight', 'fc.weight'],
  // 0 is no stage that counts from 1, and a leading 0 no number.
  ['layer0.0.conv1.weight', 'layer0.0.conv1.weight'],
  ['layer01.0.conv1.weight', 'layer01.0.conv1.weight'],
])('%s becomes %s', (from, to) => expect(through(resnet, from)).toBe(to));

test.each<[Renaming, string, string | null]>([
  // `**` is none, too.
  [{ from: '**.bn{k}.*', to: '**.norm{k}.*' }, 'bn1.weight', 'norm1.weight'],
  [{ from: 'module.**', to: '**' }, 'module.a.b', 'a.b'],
  [{ from: '**', to: 'Net.**' }, 'a.b', 'Net.a.b'],
  [{ from: 'a*b*c', to: 'x*y*z' }, 'a1b22c', 'x1y22z'],
  [{ from: 'a*b*c', to: 'x*y*z' }, 'a1b22', null],
  // A number that is named twice is one number.
  [{ from: 'a{k}.b{k+1}', to: '{k}' }, 'a4.b5', '4'],
  [{ from: 'a{k}.b{k+1}', to: '{k}' }, 'a4.b4', null],
  // Another way of reading the name is found where the first does not fit.
  [{ from: '**.{k}.x{k}', to: '**.{k}' }, '1.2.x2', '1.2'],
  [{ from: 'h{a}{b}.x', to: '{a}.{b}' }, 'h12.x', '1.2'],
  [{ from: 'h{k}.*', to: 'h{k-1}.*' }, 'h0.weight', null],
  [{ from: 'h{k}.*', to: 'h{k-1}.*' }, 'h3.weight', 'h2.weight'],
  [{ from: 'a.*', to: 'b.*' }, 'a.b.c', null],
])('%o of %s', (pair, name, becomes) => expect(renamerOf(pair)(name)).toBe(becomes));

describe('what cannot be done is refused', () => {
  test.each<[Renaming, 'from' | 'to', string]>([
    [{ from: 'a.*', to: 'b' }, 'to', '"a.*" has `*`, "b" has no `*`'],
    [{ from: 'a.**', to: 'b.*' }, 'to', 'has `**`, "b.*" has `*`'],
    [{ from: 'a.*', to: 'b.*.{k}' }, 'to', '`{k}` stands for no number of "a.*"'],
    [{ from: 'a..b', to: 'c' }, 'from', 'has an empty name'],
    [{ from: 'a**.b', to: 'c' }, 'from', '`**` stands for whole names'],
    [{ from: 'a{1}', to: 'c' }, 'from', 'has a brace that is no'],
    [{ from: 'a{k}', to: 'c{k*2}' }, 'to', 'has a brace that is no'],
  ])('%o', (pair, side, message) => {
    const fault = ((): unknown => {
      try {
        return renamerOf(pair);
      } catch (error) {
        return error;
      }
    })();
    expect(fault).toBeInstanceOf(RenamingError);
    expect(fault).toMatchObject({ side });
    expect(String(fault)).toContain(message);
  });
});
