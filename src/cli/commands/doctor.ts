import type { Terminal } from '../terminal.ts';
export interface DoctorOptions {
  readonly api: string;
  readonly json?: true;
  readonly plain?: true;
}
export async function doctorCommand(terminal: Terminal, options: DoctorOptions): Promise<void> {
  await Promise.resolve([terminal, options]);
}
