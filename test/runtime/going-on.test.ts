/** Which run goes on, and which does not: what is found, what is refused, what is put aside. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as units from '../../src/values/units.js';
import type { TrainerSpec } from '../../src/runtime/trainer/spec.js';
import { checkpoints, killed, run, Saving } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

workInFolder('going-on');

const reasonOf = (name: string): unknown => JSON.parse(readFileSync(join(name, 'run.json'), 'utf8')).reason;

describe('what goes on', () => {
  test('the newest run that was left, by auto; the finished one beside it stays as it is', async () => {
    expect((await run([])).code).toBe(0);
    const [finished = ''] = readdirSync('runs/LineTrainer');
    const nothing = await run(['--resume', 'auto']);
    expect(nothing.text).toContain('nothing was left to go on with in runs/LineTrainer: a new run');
    expect(readdirSync('runs/LineTrainer')).toHaveLength(2);
    await killed('runs/LineTrainer/19990101-000000-dead');
    const { code, text } = await run(['--resume', 'auto']);
    expect(code).toBe(0);
    expect(text).toContain(
      'goes on after step 8, from runs/LineTrainer/19990101-000000-dead/checkpoints/step-00000008',
    );
    expect(readdirSync('runs/LineTrainer')).toHaveLength(3);
    expect(reasonOf('runs/LineTrainer/19990101-000000-dead')).toBe('finished');
    expect(existsSync(join('runs/LineTrainer', finished, 'summary.json'))).toBe(true);
  });

  test('with the params and attributes that it was started with', async () => {
    await killed('tuned', ['lr=0.05', 'trainer.epochs=4', 'train.batch=5']);
    expect((await run(['--resume', 'tuned'])).code).toBe(0);
    const about = JSON.parse(readFileSync('tuned/run.json', 'utf8'));
    expect(about).toMatchObject({ params: { lr: 0.05 }, options: { epochs: 4 }, starts: [{}, { step: 8 }] });
    expect(about.overrides).toEqual(['trainer.epochs=4', 'train.batch=5']);
    // Taken from the checkpoint, and still not given.
    expect(about.origins).toEqual({ lr: 'given', rows: 'default', batch_size: 'default', mode: 'default' });
  });

  test('a run in the folder that is named, a new one where there is none, and one that saved nothing is put aside', async () => {
    const words = ['--run-dir=mine', '--resume=auto'];
    expect((await run(words)).text).toContain('nothing was left to go on with in mine: a new run');
    for (const each of checkpoints('mine')) rmSync(join('mine', 'checkpoints', each), { recursive: true });
    expect((await run(words)).code).toBe(0);
    expect(existsSync('mine.before-1/run.json')).toBe(true);
    expect(checkpoints('mine')).toContain('step-00000015');
  });

  test('by the spec', async () => {
    class Always extends LineTrainer {
      protected override configureAddOns(): readonly AddOn[] {
        return [addons.checkpoint({ every: units.steps(2), keep: 20, resume: 'auto' })];
      }
    }
    await killed('always');
    const { code, text } = await run(['--run-dir=always'], Always);
    expect(text).toContain('goes on after step 8');
    expect(code).toBe(0);
    // A dev run writes nothing and goes on with nothing.
    expect((await run(['--dev-run'], Always)).text).not.toContain('goes on');
  });

  test('from a checkpoint that is not the newest: what is newer is put aside, and written anew', async () => {
    await killed('branch');
    const { code, text } = await run(['--resume', 'branch/checkpoints/step-00000004']);
    expect(code).toBe(0);
    expect(text).toContain(
      'step-00000006 is newer and is written anew: it is aside-step-00000006 now, which is kept until you remove it\n',
    );
    expect(checkpoints('branch')).toEqual(
      expect.arrayContaining(['aside-step-00000006', 'aside-step-00000008', 'step-00000006']),
    );
    const steps = readFileSync('branch/metrics.jsonl', 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ over }) => over === 'window')
      .map(({ step }) => step);
    expect(steps).toEqual([2, 4, 6, 8, 12, 14]);
  });

  test('a run that was killed before it had said what it is makes room', async () => {
    mkdirSync('unbegun');
    for (const name of ['metrics.jsonl', 'console.log']) writeFileSync(join('unbegun', name), '');
    expect((await run(['--run-dir=unbegun', '--resume', 'auto'])).code).toBe(0);
    expect(reasonOf('unbegun')).toBe('finished');
    expect(readdirSync('unbegun.before-1').sort()).toEqual(['console.log', 'metrics.jsonl']);
    // What is not a run's is left alone.
    mkdirSync('others');
    for (const name of ['metrics.jsonl', 'thesis.md']) writeFileSync(join('others', name), '');
    const { code, text } = await run(['--run-dir=others', '--resume', 'auto']);
    expect(code).toBe(3);
    expect(text).toContain('others holds other files (metrics.jsonl, thesis.md)');
  });

  test('a run with a folder of its own is not found by auto alone, which says how to name it', async () => {
    await killed('apart/first');
    await killed('apart/second');
    const alone = await run(['--resume', 'auto']);
    expect(alone.text).toContain(
      'in runs/LineTrainer: a new run; a run that has a --run-dir of its own goes on where that is named: --resume DIR\n',
    );
    // Where a folder is named there is nothing else to name.
    const named = await run(['--run-dir=apart/third', '--resume', 'auto']);
    expect(named.text).toContain('nothing was left to go on with in apart/third: a new run\n');
    rmSync('apart/third', { recursive: true });
    // Whoever names the folder of the runs is told one of them, and nothing is written beside them.
    // One that was set aside has nothing to go on from.
    mkdirSync('apart/second.before-1');
    cpSync('apart/second/run.json', 'apart/second.before-1/run.json');
    const around = [
      [
        ['--run-dir=apart', '--resume=auto'],
        'name a run in it to go on with that, --resume apart/second, or choose',
      ],
      [['--run-dir=apart'], 'name a run in it to go on with that, --resume'],
      [
        ['--resume=apart'],
        'apart is no checkpoint and no run with one; give a run in it, such as apart/second\n',
      ],
      [['test', '--from=apart'], 'give a run in it, such as apart/second\n'],
    ] as const;
    for (const [words, message] of around) {
      const refused = await run(words);
      expect([refused.code, refused.text]).toEqual([3, expect.stringContaining(message)]);
    }
    expect(readdirSync('apart').sort()).toEqual(['first', 'second', 'second.before-1']);
    expect((await run(['--run-dir=apart/second', '--resume=auto'])).text).toContain(
      'goes on after step 8, from apart/second/checkpoints/step-00000008',
    );
  });

  test('past what is damaged, and says so', async () => {
    await killed('damaged');
    truncateSync('damaged/checkpoints/step-00000008/model.safetensors', 40);
    const { code, text } = await run(['--resume', 'damaged']);
    expect(code).toBe(0);
    expect(text).toMatch(/passed over: .*step-00000008\/model\.safetensors is damaged/);
    expect(text).toContain('goes on after step 6');
    expect(checkpoints('damaged')).toContain('aside-step-00000008');
  });

  test('what is allowed is given in one list or in several', async () => {
    await killed('parts');
    const changed = ['lr=0.02', 'trainer.epochs=4'];
    const { code, text } = await run(['--resume=parts', ...changed, '--allow', 'lr', '--allow=epochs']);
    expect(text).toMatch(/^allowed: lr was .*, is 0\.02$/m);
    expect(text).toContain('allowed: trainer.epochs was 3, is 4\n');
    expect(code).toBe(0);
  });

  test('further than it was to go, where that is allowed', async () => {
    expect((await run(['--run-dir=longer'])).code).toBe(0);
    const refused = await run(['--resume', 'longer', 'trainer.epochs=4']);
    expect(refused.code).toBe(3);
    expect(refused.text).toContain('trainer.epochs was 3, is 4');
    const { code, text } = await run(['--resume', 'longer', 'trainer.epochs=4', '--allow=epochs']);
    expect(text).toContain('allowed: trainer.epochs was 3, is 4');
    expect(text).toContain('goes on after step 15');
    expect(code).toBe(0);
    expect(checkpoints('longer').at(-1)).toBe('step-00000020');
    // As if it had been so long from the start.
    expect((await run(['--run-dir=long', 'trainer.epochs=4'])).code).toBe(0);
    const weights = (name: string): Buffer =>
      readFileSync(join(name, 'checkpoints/step-00000020/model.safetensors'));
    expect(weights('longer').equals(weights('long'))).toBe(true);
  });
});

describe('what is the same in other words', () => {
  class Tuned extends LineTrainer {
    protected override configureAddOns(): readonly AddOn[] {
      return [
        addons.checkpoint({ every: units.minutes(60), keep: 20 }),
        addons.earlyStopping({ monitor: addons.min('validate.loss'), patience: 90 }),
      ];
    }
  }
  const given = [
    'opt.lr=0.0010',
    'train.batch=4',
    'early_stopping.min_delta=1e-4',
    'checkpoint.every=2.steps',
  ];
  beforeAll(() => killed('worded', given, Tuned));
  const again = (name: string, words: readonly string[], trainer = Tuned) => {
    cpSync('worded', name, { recursive: true });
    return run([`--resume=${name}`, ...words], trainer);
  };

  test('goes on: numbers, lengths, and what the spec says', async () => {
    const words = ['opt.lr=1e-3', 'early_stopping.min_delta=0.0001', 'checkpoint.every=2.step'];
    const own = ['early_stopping.patience=90', 'opt.weight_decay=0.0', 'early_stopping.stop_at=none'];
    const { code, text } = await again('other-words', [...words, ...own]);
    expect(text).toContain('goes on after step 8');
    expect(code).toBe(0);
  });

  test('is refused where it is another value, or another spec may have said another', async () => {
    for (const [word, told] of [
      ['opt.lr=0.002', 'opt.lr was 0.0010, is 0.002'],
      ['checkpoint.every=2.epochs', 'checkpoint.every was 2.steps, is 2.epochs'],
      ['early_stopping.patience=91', 'early_stopping.patience was 90 (as in the spec), is 91'],
      ['early_stopping.stop_at=0.5', 'early_stopping.stop_at was none (as in the spec), is 0.5'],
    ] as const) {
      const { code, text } = await again(`refused-${word.split('=').join('-')}`, [word]);
      expect(text).toContain(told);
      expect(code).toBe(3);
    }
    class Other extends Tuned {
      static override readonly spec = {
        ...LineTrainer.spec,
        files: [{ path: 'line.ztrain', text: 'trainer LineTrainer { seed = 1 }' }],
      };
    }
    const words = ['early_stopping.patience=90', '--allow=spec'];
    const { code, text } = await again('other-spec', words, Other);
    expect(text).toContain('early_stopping.patience was as in the spec, is 90');
    expect(code).toBe(3);
  });
});

describe('a spec of another text', () => {
  type About = Pick<TrainerSpec<never>, 'sha256' | 'tokensSha256' | 'files'>;
  const trainerOf = (about: About): typeof Saving =>
    class extends Saving {
      static override readonly spec = { ...LineTrainer.spec, ...about };
    };
  const filesOf = (text: string) => [{ path: 'line.ztrain', text }];
  const first = { sha256: '00', tokensSha256: 'aa', files: filesOf('trainer LineTrainer {}') };
  const remark = '// a remark\ntrainer LineTrainer {\n}\n';
  const reworded = { sha256: '01', tokensSha256: 'aa', files: filesOf(remark) };
  const told = 'the spec has another text that means the same: comments or blank space';
  beforeAll(() => killed('meant', [], trainerOf(first)));
  const again = (name: string, about: About, from = 'meant') => {
    cpSync(from, name, { recursive: true });
    return run(['--resume', name], trainerOf(about));
  };

  test('that means the same goes on: it is told, and kept from then on', async () => {
    const { code, text } = await again('reworded', reworded);
    expect(text).toContain(`${told}\ngoes on after step 8`);
    expect(text).not.toContain('allow');
    expect(code).toBe(0);
    const about = JSON.parse(readFileSync('reworded/run.json', 'utf8'));
    expect(about.spec).toMatchObject({ sha256: '01', files: [{ text: remark }] });
    expect(about.starts[1].allowed).toEqual([]);
    const manifest = (step: string): unknown =>
      JSON.parse(readFileSync(`reworded/checkpoints/step-${step}/manifest.json`, 'utf8')).spec;
    expect(manifest('00000008')).toMatchObject({ sha256: '00', files: first.files });
    expect(manifest('00000015')).toMatchObject({ sha256: '01', files: reworded.files });
    // Weights are those of this spec, and of what it was.
    for (const spec of [first, reworded]) {
      const tested = await run(['test', '--from', 'reworded/checkpoints/step-00000008'], trainerOf(spec));
      expect(tested.text).not.toContain('has changed since');
      expect(tested.code).toBe(0);
    }
    // Nor is there anything to do now.
    const over = await run(['--resume', 'reworded'], trainerOf(first));
    expect(over.text).toContain('nothing is left to do');
    expect(over.text).not.toContain('spec');
    expect(over.code).toBe(0);
  });

  test('is not told where it is the same text', async () => {
    const { code, text } = await again('same-text', first);
    expect(text).toContain('goes on after step 8');
    expect(text).not.toContain('spec');
    expect(code).toBe(0);
  });

  test('is known by its tokens where a trainer has no text of it', async () => {
    const { code, text } = await again('no-text', { ...reworded, files: [] });
    expect(text).toContain(told);
    expect(code).toBe(0);
  });

  test('that means another thing is refused, with its lines', async () => {
    const { code, text } = await again('other-meaning', { ...reworded, tokensSha256: 'bb' });
    expect(text).toContain(
      [
        'this run is another one:',
        '  line.ztrain: - trainer LineTrainer {}',
        '  line.ztrain: + // a remark',
        '  line.ztrain: + trainer LineTrainer {',
        '  line.ztrain: + }',
        '  line.ztrain: +',
      ].join('\n'),
    );
    expect(text).toContain('or say that it is meant: --allow spec');
    expect(code).toBe(3);
    const tested = await run(['test', '--from', 'meant'], trainerOf({ ...reworded, tokensSha256: 'bb' }));
    expect(tested.text).toContain('note: the spec has changed since; the weights must still fit');
  });

  test('is refused as well where one side does not say what it means', async () => {
    const { tokensSha256: _none, ...silent } = first;
    await killed('silent', [], trainerOf(silent));
    const { code, text } = await again('silent-before', reworded, 'silent');
    expect(text).toContain('line.ztrain: + // a remark');
    expect(code).toBe(3);
    const { tokensSha256: _nor, ...now } = reworded;
    expect((await again('silent-now', now)).code).toBe(3);
    expect((await again('silent-both', now, 'silent')).code).toBe(3);
    // The same text is the same spec, whoever is silent.
    expect((await again('silent-same', first, 'silent')).code).toBe(0);
  });
});

describe('what does not go on', () => {
  beforeAll(() => killed('base'));
  const again = (name: string): string => {
    cpSync('base', name, { recursive: true });
    return name;
  };

  test('with other params, both values shown', async () => {
    const { code, text } = await run(['--resume', again('params'), 'lr=0.2', 'train.batch=2']);
    expect(code).toBe(3);
    expect(text).toContain('lr was 0.1, is 0.2');
    expect(text).toContain('train.batch was 4 (as in the spec), is 2');
    expect(text).toContain('an epoch had 5 steps and has 10 now');
    // Nothing would allow that.
    expect(text).not.toContain('--allow');
    const { text: other } = await run(['--resume', 'params', 'lr=0.2', 'trainer.epochs=4']);
    expect(other).toContain('or say that it is meant: --allow lr,epochs');
    // Nothing was touched.
    expect(reasonOf('params')).toBe(null);
    expect(checkpoints('params')).toEqual(checkpoints('base'));
    expect(readFileSync('params/metrics.jsonl', 'utf8')).toBe(readFileSync('base/metrics.jsonl', 'utf8'));
  });

  test('with another spec: its lines are shown', async () => {
    class Other extends Saving {
      static override readonly spec = {
        ...LineTrainer.spec,
        sha256: '01',
        files: [{ path: 'line.ztrain', text: 'trainer LineTrainer { epochs = 9 }' }],
      };
    }
    const words = ['--resume', again('spec')];
    const { code, text } = await run(words, Other);
    expect(code).toBe(3);
    expect(text).toContain('line.ztrain: - trainer LineTrainer {}');
    expect(text).toContain('line.ztrain: + trainer LineTrainer { epochs = 9 }');
    expect((await run([...words, '--allow', 'spec'], Other)).code).toBe(0);
  });

  test('with a trainer that has no text of its spec: its digest says whether it is the same', async () => {
    const { files: _none, ...bare } = LineTrainer.spec;
    class Alone extends Saving {
      static override readonly spec = bare;
    }
    class OtherAlone extends Saving {
      static override readonly spec = { ...bare, sha256: '01' };
    }
    const words = ['--resume', again('alone')];
    const { code, text } = await run(words, OtherAlone);
    expect(code).toBe(3);
    expect(text).toContain('the spec is another one, of which one side has no text');
    expect((await run(words, Alone)).code).toBe(0);
  });

  test('with data of another length', async () => {
    const { code, text } = await run(['--resume', again('data'), 'rows=24']);
    expect(code).toBe(3);
    expect(text).toContain('rows was 20, is 24');
    expect(text).toContain('train had 20 rows, has 24');
  });

  test('where lines of metrics are gone, or everything is damaged', async () => {
    const run_ = again('lines');
    truncateSync('lines/metrics.jsonl', 10);
    expect((await run(['--resume', run_])).text).toContain('metrics.jsonl has 10 bytes, and had');
    again('ruined');
    for (const each of checkpoints('ruined'))
      appendFileSync(join('ruined', 'checkpoints', each, 'state.json'), ' ');
    const { code, text } = await run(['--resume', 'ruined']);
    expect(code).toBe(3);
    expect(text).toContain('ruined has no checkpoint to go on from:');
    expect(text.match(/state\.json/g)).toHaveLength(checkpoints('ruined').length);
  });

  test('what was put aside', async () => {
    await killed('put-aside');
    expect(await run(['--resume', join('put-aside', 'checkpoints', 'step-00000004')])).toMatchObject({
      code: 0,
    });
    const metrics = readFileSync('put-aside/metrics.jsonl');
    const { code, text } = await run(['--resume', join('put-aside', 'checkpoints', 'aside-step-00000008')]);
    expect(code).toBe(3);
    expect(text).toContain('aside-step-00000008 is no checkpoint of its run any more');
    expect(readFileSync('put-aside/metrics.jsonl')).toEqual(metrics);
  });

  test('a name that nothing has, in --allow', async () => {
    const { code, text } = await run(['--resume', again('allow'), '--allow', 'lrr']);
    expect(code).toBe(2);
    expect(text).toContain('--allow lrr: a run has no such thing; did you mean lr?');
  });

  test('what is no run', async () => {
    const { code, text } = await run(['--resume', 'nowhere']);
    expect(code).toBe(3);
    expect(text).toContain('there is no folder nowhere');
  });

  test('another trainer', async () => {
    class Stranger extends Saving {
      static override readonly spec = { ...LineTrainer.spec, trainer: 'Stranger' };
    }
    again('stranger');
    // Whose it is is looked at before its tensors are: they may take minutes.
    for (const name of checkpoints('stranger'))
      truncateSync(join('stranger', 'checkpoints', name, 'optimizer.safetensors'), 0);
    for (const words of [
      ['--resume', 'stranger'],
      ['--run-dir=stranger', '--resume=auto'],
      ['--resume', 'stranger/checkpoints/step-00000008'],
    ]) {
      const { code, text } = await run(words, Stranger);
      expect(code).toBe(3);
      expect(text).toContain('was written by LineTrainer, this is Stranger');
    }
  });
});
