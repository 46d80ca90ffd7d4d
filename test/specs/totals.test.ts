/** Metrics in which rows meet, from a spec to its executable: the same number, however the rows are cut into batches. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openWorkplace } from './run-spec.js';

const place = openWorkplace();
afterAll(() => place.remove());

const metrics = `
  let y = Net(batch.image)
  let s = std(unit(y), axis = 0)
  metric collapse = mean(s)
  metric ratio = max_of(s) / s[3]
  metric uneven = std(s)
  metric low = mean(mean(y, axis = 0) < 0.05)
  metric far = norm(mean(batch.image, axis = [0, -1], weight = batch.image + 1) - ones([8, 8]))
  metric whole = std(y) + sqrt(mean(y ** 2)) * min_of(y)
  metric rows = mean(batch.label >= 0) * (seen.trained + 10_000 * seen.held)
  metric known = max_of((variance(y, axis = 0) + seen.mu) * [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])`;

const spec = `
data train_set = digits { batch = 32 shuffle = true map row -> { image: cast(row.image, f32) / 16, label: row.label } }
data large = train_set { split = "test" batch = 360 shuffle = false }
data small = large { batch = 7 }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] { return image |> flatten() |> dense(10) as head }
optimizer opt = adam { of = Net }
step measure as seen(batch in train_set, other in small) {
  let hot = one_hot(batch.label, 10)
  metric mu = mean(hot, axis = 0)
  metric trained = sum(cast(batch.label >= 0, f32))
  metric held = sum(cast(other.label >= 0, f32))
}
step train(batch in train_set) {
  update opt {
    let y = Net(batch.image)
    minimize mean(softmax_cross_entropy(y, batch.label))
    metric collapse = mean(std(unit(y), axis = 0))
  }
}
step validate as one(batch in large) { ${metrics} }
step validate as many(batch in small) { ${metrics} }
trainer Totals { steps = 20 seed = 3 }
`;

test('a metric of columns does not depend on the batches', async () => {
  writeFileSync(join(place.folder, 'totals.ztrain'), spec);
  const { metrics: found } = await place.train(await place.build('totals'), 'totals', []);
  const names = ['collapse', 'ratio', 'uneven', 'low', 'far', 'whole', 'known'];
  for (const name of names) {
    const [one, many] = [found.get(`one.${name}`), found.get(`many.${name}`)];
    expect(one, name).toBeTypeOf('number');
    expect(Math.abs((many ?? Number.NaN) - (one ?? 0)), name).toBeLessThan(1e-5);
  }
  // Of 1,797 digits; each data set is measured to its own end, in batches of its own.
  expect(Math.round(found.get('one.rows') ?? Number.NaN)).toBe(1438 + 10_000 * 359);
  // Deviations of the columns of vectors of length 1 are below 1 / √10 each in the quadratic mean.
  expect(found.get('one.collapse')).toBeGreaterThan(0.05);
  expect(found.get('one.collapse')).toBeLessThan(1 / Math.sqrt(10));
  expect(found.get('train.collapse')).toBeGreaterThan(0.05);
});
