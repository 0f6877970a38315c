import com.pixelmed.validate.DicomSRValidator;
import java.io.BufferedReader;
import java.io.InputStreamReader;

/** Validates the files whose names come in, one in a line, in one virtual machine: starting it takes most of the time. */
class PixelMed {
    public static void main(String[] arguments) throws Exception {
        DicomSRValidator validator = new DicomSRValidator();
        BufferedReader names = new BufferedReader(new InputStreamReader(System.in));
        for (String name = names.readLine(); name != null; name = names.readLine()) {
            try {
                System.out.print(validator.validate(name));
            } catch (Exception error) {
                System.out.println(error);
            }
            System.out.println(arguments[0]); // tells that this file is done
        }
    }
}
