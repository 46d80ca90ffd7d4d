/** Whether a process of this machine lives. */
export function isAlive(id: number): boolean {
  if (!Number.isSafeInteger(id) || id <= 0) return false;
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    // The process of another user is one all the same.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
