package example_service;

/** An error that the user can correct; the message is one sentence. */
final class SettingsException extends Exception {
    private static final long serialVersionUID = 1;

    SettingsException(String message) {
        super(message);
    }
}
