/** What this service is called. */

export const NAME = "example-service";

/** Its full name in the contract, by which its health is asked for. */
export const SERVICE = "example_service.v1.NotesService";
