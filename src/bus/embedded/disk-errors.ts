const noSpaceCodes: readonly unknown[] = ['ENOSPC', 'EDQUOT'];

/** The disk, or our share of it, is full: it may take more later. */
export function isNoSpace(error: unknown): boolean {
  return noSpaceCodes.includes((error as NodeJS.ErrnoException).code);
}

const noDescriptorCodes: readonly unknown[] = ['EMFILE', 'ENFILE'];

/** No space, or no free file descriptor: what the disk was given is not in doubt, and it may take more later. */
export function isPassing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return isNoSpace(error) || noDescriptorCodes.includes(code);
}

/** The device failed: what it was given before need not be there either. */
export function isDeviceFailure(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EIO';
}
