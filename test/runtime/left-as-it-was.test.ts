/** A run that is refused where it would go on is left as it was, and what is advised then can be done. */
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import type * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { FileRefused, fileError } from '../../src/runtime/checkpoint/files.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { checkpoints, filesIn, killed, run, Saving } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';

/** How many more writes at the end of a file the disk takes; null for all. */
const room: { left: number | null } = { left: null };

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  return {
    ...real,
    appendFileSync: (...given: Parameters<typeof fs.appendFileSync>) => {
      if (room.left === 0) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
      if (room.left !== null) room.left -= 1;
      real.appendFileSync(...given);
    },
  };
});

workInFolder('left-as-it-was');
beforeAll(() => killed('base'));

const step = 'step-00000008';

test('a checkpoint that was copied without its run: no file is made beside it', async () => {
  mkdirSync('one/checkpoints', { recursive: true });
  cpSync(join('base', 'checkpoints', step), join('one', 'checkpoints', step), { recursive: true });
  const before = filesIn('one');
  const { code, text } = await run(['--resume=one']);
  expect(code).toBe(3);
  expect(text).toMatch(
    /error: \S*one\/metrics.jsonl is gone, and had \d+ bytes when the checkpoint was written; put it back, or say that it is meant: --allow metrics\n/,
  );
  expect(filesIn('one')).toEqual(before);
  // As it is advised.
  expect((await run(['--resume=one', '--allow=metrics'])).code).toBe(0);
  expect(checkpoints('one').at(-1)).toBe('step-00000015');
});

test.each([['metrics.jsonl'], ['console.log', 'metrics.jsonl']])(
  'nor in a run without %s',
  async (...gone) => {
    const name = `without-${gone.length}`;
    cpSync('base', name, { recursive: true });
    for (const file of gone) rmSync(join(name, file));
    const before = filesIn(name);
    expect((await run([`--resume=${name}`])).code).toBe(3);
    expect(filesIn(name)).toEqual(before);
  },
);

test('nor where it is refused later', async () => {
  cpSync('base', 'late', { recursive: true });
  for (const file of ['metrics.jsonl', 'console.log']) rmSync(join('late', file));
  const resume = await resumePointAt('late');
  cpSync(join('late', 'checkpoints', step), join('late', 'checkpoints', 'step-00000010'), {
    recursive: true,
  });
  const before = filesIn('late').filter((line) => !line.includes('.lock'));
  const trainer = new Saving({ options: { progress: 'none' } });
  await expect(trainer.fit({ resume, allow: ['metrics'] })).rejects.toThrow('another process has written');
  expect(filesIn('late')).toEqual(before);
});

/** Takes this run until the disk is full. */
async function untilFull(words: readonly string[]): Promise<string> {
  room.left = 12;
  const { code, text } = await run(words).finally(() => {
    room.left = null;
  });
  expect(code).toBe(3);
  return text;
}

test('a full disk: a new run may have another folder, one that goes on has its own', async () => {
  expect(await untilFull(['--run-dir=full'])).toMatch(
    /error: cannot write to \S+: the disk is full; free some space, or choose another --run-dir\n/,
  );
  cpSync('base', 'full-again', { recursive: true });
  expect(await untilFull(['--resume=full-again'])).toMatch(
    /error: cannot write to \S+: the disk is full; free some space\n/,
  );
  expect((await run(['--resume=full-again'])).code).toBe(0);
});

test('each reason has what mends it in its own folder, as far as anything does', () => {
  const of = (code: string): string => {
    const error = fileError('cannot write x', Object.assign(new Error(code), { code }));
    expect(error).toBeInstanceOf(FileRefused);
    return error instanceof FileRefused ? `${error.message} | ${error.inPlace.message}` : '';
  };
  expect(of('EACCES')).toBe(
    'cannot write x: no permission; choose another --run-dir | cannot write x: no permission',
  );
  expect(of('EFBIG')).toBe(
    'cannot write x: the file is larger than is allowed here; raise the limit, or choose another --run-dir | ' +
      'cannot write x: the file is larger than is allowed here; raise the limit',
  );
});
