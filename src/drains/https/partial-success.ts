/**
 * How many records an OTLP receiver says it has rejected of a request that it took otherwise: `partialSuccess` of
 * ExportLogsServiceResponse, whose int64 JSON may have as text. 0 for an answer that says nothing of the kind.
 */
export function rejectedRecords(body: Buffer): number {
  if (body.length === 0) return 0;
  try {
    const answer = JSON.parse(body.toString()) as PartialSuccess | null;
    const rejected = Number(answer?.partialSuccess?.rejectedLogRecords ?? 0);
    return Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0;
  } catch {
    return 0;
  }
}

interface PartialSuccess {
  readonly partialSuccess?: { readonly rejectedLogRecords?: unknown } | null;
}
