/** The state of the git work tree that a run was started in, for `run.json`. */
import { spawnSync } from 'node:child_process';

export interface GitState {
  readonly commit: string;
  /** Whether tracked files differ from the commit. */
  readonly changed: boolean;
}

/** Null where the folder is in no work tree, or git is not installed or takes longer than two seconds. */
export function gitState(folder: string): GitState | null {
  const git = (...args: readonly string[]): string | null => {
    const { status, stdout } = spawnSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 2000,
    });
    return status === 0 ? stdout.trim() : null;
  };
  const commit = git('rev-parse', 'HEAD');
  if (commit === null) return null;
  const changes = git('status', '--porcelain', '--untracked-files=no');
  return { commit, changed: changes !== '' };
}
